"""HTTP requests are counted by route, never by path. The metrics have a port of their own."""

import socket

import pytest
from django.db import connection

from core import concurrency, metrics_server, rate_limits
from core.version import VERSION
from tests.support.metrics import ours, scrape, value
from tests.support.running_podesk import free_port


def requests(route: str, method: str, code: int) -> float:
    return value("podesk_http_requests_total", route=route, method=method, code=str(code))


@pytest.mark.parametrize(
    ("path", "route", "code"),
    [
        ("/accounts/login/", "accounts:login", 200),
        ("/desktops/0d7b3c4e-4a43-4a0f-8c5e-0f3f7c1f6a11/", "desktops:detail", 302),
        ("/admin/accounts/user/", "admin", 302),
        ("/nothing/0d7b3c4e", "none", 404),
    ],
)
def test_request_is_counted_by_the_name_of_its_route(db, client, path, route, code):
    before = requests(route, "GET", code)
    client.get(path)
    assert requests(route, "GET", code) == before + 1
    assert value("podesk_http_request_seconds_count", route=route) >= before + 1


def test_invented_method_makes_no_series_of_its_own(db, client):
    before = requests("accounts:login", "other", 405)
    client.generic("BREW", "/accounts/login/")
    assert requests("accounts:login", "other", 405) == before + 1


def test_the_portal_itself_serves_no_metrics(db, client):
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics/").status_code == 404


def test_refusals_of_a_rate_limit_are_counted():
    before = value("podesk_rate_limit_refusals_total", limit="login")
    for _ in range(3):
        rate_limits.remaining({"login": (2, "192.0.2.1")})
    assert value("podesk_rate_limit_refusals_total", limit="login") == before + 1


def test_refusals_of_a_further_stream_are_counted(settings):
    settings.API_OPEN = {"streams": 1}
    before = value("podesk_rate_limit_refusals_total", limit="streams")
    concurrency.ConcurrencySlot("streams", "7").acquire()
    with pytest.raises(concurrency.TooManyOpen):
        concurrency.ConcurrencySlot("streams", "7").acquire()
    assert value("podesk_rate_limit_refusals_total", limit="streams") == before + 1


def test_served_as_openmetrics_with_the_version(settings):
    settings.METRICS_PORT = free_port()
    metrics_server.start()
    (sample,) = ours(scrape(settings.METRICS_PORT))["podesk_build_info"].samples
    assert sample.labels["version"] == VERSION


def test_not_served_beyond_loopback_by_default(settings):
    assert settings.METRICS_ADDRESS == "127.0.0.1"
    assert settings.METRICS_PORT == 0


def test_taken_port_does_not_stop_the_process(settings, caplog):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings.METRICS_PORT = taken.getsockname()[1]
        metrics_server.start()
    assert "metrics_not_served" in caplog.text


@pytest.mark.postgres
def test_database_pool(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert value("podesk_database_pool_connections", state="in_use") >= 1
    assert value("podesk_database_pool_limit") == connection.settings_dict["OPTIONS"]["pool"]["max_size"]
