"""Logs have a request id in each line, and no secret in a traceback."""

import io
import json
import logging
import subprocess
import sys
from urllib.parse import urlencode

import pytest
from django.test import Client
from structlog.stdlib import ProcessorFormatter

from portal import logs

pytestmark = pytest.mark.once


@pytest.fixture(params=["json", "console"])
def form(request) -> str:
    return str(request.param)


@pytest.fixture
def written(form):
    """Return a function that returns the output of the handler alone. A dictConfig() would remove pytest's handler."""
    formatter = logs.configuration(form, "INFO")["formatters"]["structured"]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(ProcessorFormatter(**{name: value for name, value in formatter.items() if name != "()"}))
    logging.getLogger().addHandler(handler)
    yield stream.getvalue
    logging.getLogger().removeHandler(handler)


def test_traceback_shows_no_values(written):
    def log_in(password):
        raise ValueError("broken")

    try:
        log_in("".join(["sec", "ret"]))
    except ValueError:
        logging.getLogger("somewhere").exception("failed")
    assert "ValueError: broken" in written()
    assert "secret" not in written()


@pytest.mark.parametrize(
    ("given", "kept"), [("abcd-1234.x", True), ("short", False), ("a" * 65, False), ("in ject", False)]
)
def test_request_id(client, db, given, kept):
    request_id = client.get("/accounts/login/", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert (request_id == given) is kept
    assert kept or len(request_id) == 32


def test_line_of_a_request(client, db, written, form):
    client.get("/accounts/login/?next=/a-secret", headers={"X-Request-ID": "the-request"})
    (line,) = [line for line in written().splitlines() if "milliseconds" in line]
    assert "the-request" in line
    assert "a-secret" not in line
    if form == "json":
        said = json.loads(line)
        assert (said["event"], said["method"], said["path"]) == ("request", "GET", "/accounts/login/")
        assert (said["status"], said["level"]) == (200, "info")


@pytest.mark.parametrize("path", ["/nothing/is/here/", "/api/v1/auth/tokens", "/api/nothing", "/accounts/logout/"])
def test_address_that_is_refused_is_logged_without_its_query(client, db, written, path):
    assert client.get(f"{path}?token=a-secret").status_code >= 400
    assert f"{path}" in written()
    assert "a-secret" not in written()


def test_what_the_cluster_answered_is_not_logged_even_for_debugging(form):
    """The answers contain Secrets."""
    code = f"""
import logging.config
from portal import logs
logging.config.dictConfig(logs.configuration("{form}", "DEBUG"))
logging.getLogger("podesk.jobs").debug("shown")
logging.getLogger("kubernetes.client.rest").debug("response body: a-secret")
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert "shown" in said
    assert "a-secret" not in said


@pytest.fixture
def strict():
    return Client(enforce_csrf_checks=True)


def refused(written, form) -> list[str]:
    """Return the levels of the lines about refusals by Django. None has a traceback."""
    assert "Traceback" not in written()
    lines = [line for line in written().splitlines() if "django.security" in line]
    return [
        json.loads(line)["level"] if form == "json" else line.split("[")[1].split()[0].rstrip("]") for line in lines
    ]


def test_form_that_was_opened_before_a_login_is_information(strict, db, written, form):
    assert strict.post("/accounts/login/", {"username": "ann"}).status_code == 403
    assert refused(written, form) == ["info"]


def test_form_of_another_site_is_a_warning(strict, db, written, form):
    assert strict.post("/accounts/login/", headers={"Origin": "https://evil.example"}).status_code == 403
    assert refused(written, form) == ["warning"]


def test_wrong_host_is_one_warning(client, db, written, form):
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert refused(written, form) == ["warning"]


@pytest.mark.parametrize("body", [{"username": "a" * 3_000_000}, {f"field{n}": "" for n in range(1001)}])
def test_body_over_a_limit_is_information(strict, db, written, form, body):
    typed = "application/x-www-form-urlencoded"
    assert strict.post("/accounts/login/", urlencode(body), content_type=typed).status_code == 400
    assert set(refused(written, form)) == {"info"}
