"""Every error below /api/ is reported as a problem document, in the reader's language."""

import pytest
from django.test import Client

from accounts.api.endpoint import Endpoint
from tests.support.tiny_api import token

JSON = "application/json"
GROUND = "/api/v1/ground"
MEMBERS = {"type", "title", "status", "detail", "instance", "slug", "next_step", "errors", "request_id"}


def expect_problem(answer, status: int, slug: str) -> dict:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert set(problem) == MEMBERS
    assert (problem["status"], problem["slug"], problem["type"]) == (status, slug, f"urn:podesk:problem:{slug}")
    assert problem["detail"] and problem["next_step"] and problem["title"]
    assert problem["request_id"] == answer["X-Request-ID"] != ""
    return problem


def test_without_a_token(open_api):
    answer = open_api.get(f"{GROUND}/things")
    expect_problem(answer, 401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("text", ["x", "a.b.c", "é" * 20, "x" * 10_000, "\x01", "Bearer x"])
@pytest.mark.parametrize("header", ["X-User-Token", "Authorization"])
def test_token_that_is_none(open_api, header, text):
    value = f"Bearer {text}" if header == "Authorization" else text
    expect_problem(open_api.get(f"{GROUND}/things", headers={header: value}), 401, "malformed")


@pytest.mark.parametrize(
    "path", ["", "v1", "v1/", "v2/pods", "v1/ground/things/", "v1/x%00y", "v1/%ff", "v1/ü/…", "v1//"]
)
@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "options"])
def test_address_where_nothing_is(path, method, db):
    visitor = Client(enforce_csrf_checks=True)  # CSRF must not be the reason, because a cookie is not needed here
    problem = expect_problem(getattr(visitor, method)(f"/api/{path}"), 404, "no_such_address")
    assert problem["instance"].startswith("/api/")


def test_method_that_it_does_not_know(api):
    answer = api.put(f"{GROUND}/things")
    expect_problem(answer, 405, "method_not_allowed")
    assert answer["Allow"] == "GET, POST, HEAD, OPTIONS"
    expect_problem(api.generic("BREW", f"{GROUND}/things"), 405, "method_not_allowed")


def test_schema_is_only_read(db):
    answer = Client(enforce_csrf_checks=True).post("/api/schema/")
    expect_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer["Allow"]


def test_options(api):
    answer = api.options(f"{GROUND}/things")
    assert (answer.status_code, answer.content, answer["Allow"]) == (204, b"", "GET, POST, HEAD, OPTIONS")


def test_head_is_get_without_body(api):
    answer = api.head(f"{GROUND}/things")
    assert (answer.status_code, answer.content) == (200, b"")


def test_head_may_no_more_than_get(open_api, alice):
    """Otherwise HEAD would show the size of what is hidden."""
    for path, scope in {"ssh": {"permissions": ("vnc",)}, "staff": {}}.items():
        for method in (open_api.get, open_api.head):
            assert method(f"{GROUND}/{path}", headers={"X-User-Token": token(alice, **scope)}).status_code == 403


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*;q=0.1"])
def test_accept_that_nothing_fits(api, accept):
    expect_problem(api.get(f"{GROUND}/things", headers={"Accept": accept}), 406, "not_acceptable")


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, */*;q=0.1", "application/json; charset=x"])
def test_accept_that_json_fits(api, accept):
    assert api.get(f"{GROUND}/things", headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize("accept", ["", ";;;", "/", ",", "a/b/c", "é/é", "application/json;=;q=x", ";q=0", "x" * 5000])
def test_accept_that_is_nonsense(api, accept):
    assert api.get(f"{GROUND}/things", headers={"Accept": accept}).status_code in (200, 406)


@pytest.mark.parametrize("query", ["word=%00", "word=a%00b", "number=x", "number=", "flag=2", "nobody=asked", "%00=1"])
def test_query_that_is_refused(api, query):
    expect_problem(api.get(f"{GROUND}/things?{query}"), 422, "invalid")


def test_query_that_asks_twice(api):
    problem = expect_problem(api.get(f"{GROUND}/things?number=1&number=2"), 422, "invalid")
    assert problem["errors"] == [{"field": "number", "message": "This parameter may appear only once."}]


@pytest.mark.parametrize(
    "query", ["word=%", "word=%zz", "word=%ff%fe", "word=%ed%a0%80", "word=%F0%9F%98%80", "&&&;=", "="]
)
def test_query_that_is_badly_encoded(api, query):
    assert api.get(f"{GROUND}/things?{query}").status_code in (200, 422)


def test_query_with_thousands_of_names(api):
    expect_problem(
        api.get(f"{GROUND}/things?" + "&".join(f"a{number}=1" for number in range(2000))), 400, "bad_request"
    )


def test_host_that_is_not_ours(open_api):
    expect_problem(open_api.get(f"{GROUND}/things", headers={"Host": "evil.example"}), 400, "bad_request")
    expect_problem(open_api.get("/api/nothing", headers={"Host": "a b"}), 400, "bad_request")


def test_page_that_is_refused_stays_a_page(client, db):
    assert client.get("/accounts/nothing/")["Content-Type"].startswith("text/html")


def test_refusal_of_the_domain(api):
    problem = api.post(f"{GROUND}/things", {"word": "busy"}, JSON)
    assert (problem.status_code, problem.json()["slug"]) == (409, "busy")


def test_fault_of_ours_tells_nothing(api):
    problem = expect_problem(api.post(f"{GROUND}/things", {"word": "broken"}, JSON), 500, "internal_error")
    assert "broken" not in problem["detail"]


def test_fault_outside_of_the_view(api, monkeypatch):
    """The error is raised where DRF does not catch it."""

    def fails(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(Endpoint, "initialize_request", fails)
    expect_problem(api.get(f"{GROUND}/things"), 500, "internal_error")


def test_request_id_of_the_client(api):
    problem = api.get("/api/nothing", headers={"X-Request-ID": "my-request-1"}).json()
    assert problem["request_id"] == "my-request-1"


@pytest.mark.parametrize("given", ["short", "x" * 65, "a b c d e f", "é" * 10, "id\tid\tid\tid"])
def test_request_id_that_is_not_taken(api, given):
    expect_problem(api.get("/api/nothing", headers={"X-Request-ID": given}), 404, "no_such_address")


def test_answers_are_not_cached(api, open_api):
    assert api.get(f"{GROUND}/things")["Cache-Control"] == "no-store"
    assert open_api.get(f"{GROUND}/things")["Cache-Control"] == "no-store"


@pytest.mark.parametrize("language", ["zh-hans", "zh-CN,zh;q=0.9", "en", "xx", "*", ";;", "a" * 5000])
def test_any_language_may_be_asked_for(api, language):
    expect_problem(api.put(f"{GROUND}/things", headers={"Accept-Language": language}), 405, "method_not_allowed")


def test_readers_language(open_api):
    """The sentence comes from Django, so that the test does not depend on our translations."""
    answer = open_api.post(f"{GROUND}/open", {"number": "x"}, JSON, headers={"Accept-Language": "zh-hans"})
    assert answer.json()["errors"] == [{"field": "number", "message": "请填写合法的整数值。"}]
