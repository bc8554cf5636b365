"""Logs have a request id in each line, and no secret in a traceback."""

import io
import json
import logging
import subprocess
import sys

import pytest
from structlog.stdlib import ProcessorFormatter

from portal import logs


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
