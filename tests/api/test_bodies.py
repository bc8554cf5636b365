"""Bodies of requests: JSON that all parsers read alike, or a 4xx that says what is wrong."""

import json

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.test import AsyncClient

from core.api.body_limits import bounded
from tests.support.tiny_api import token

JSON = "application/json"
THINGS = "/api/v1/ground/things"


def problem_of(answer) -> dict:
    assert answer["Content-Type"] == "application/problem+json"
    return answer.json()


def test_object_is_read(api):
    answer = api.post(THINGS, {"word": "Grüße", "number": 3}, JSON)
    assert answer.json()["sent"] == {"word": "Grüße", "number": 3}


@pytest.mark.parametrize("kind", [JSON, "text/plain", "application/x-www-form-urlencoded", ""])
def test_empty_body_is_an_empty_object(api, kind):
    answer = api.generic("POST", THINGS, b"", kind)
    assert (answer.status_code, answer.json()["sent"]) == (201, {})  # in particular, no flag is set to false


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "Expecting"),
        (b"{}{}", "Extra data"),
        (b'{"word": "\xff"}', "codec"),
        (b"\xff\xfe{\x00}\x00", "codec"),  # UTF-16
        (b'{"number": NaN}', "NaN is not a JSON number"),
        (b'{"number": -Infinity}', "Infinity is not a JSON number"),
        (b'{"number": 1e400}', "too large"),
        (b'{"number": ' + b"9" * 400 + b"}", "too large"),
        (b'{"number": ' + b"9" * 10_000 + b"}", "too large"),
        (b'{"number": 9223372036854775808}', "too large"),
        (b'{"number": 1, "number": 2}', "twice"),
        (b'{"word": "a\\u0000b"}', "NUL"),
        (b'{"a\\u0000b": 1}', "NUL"),
        (b'{"word": "\\ud800"}', "surrogates"),
        (b'{"deep": [{"\\udfff": 1}]}', "surrogates"),
        (b'{"word": "a\nb"}', "control character"),
        (b"[" * 21 + b"]" * 21, "deeply"),
        (b"[" * 30_000, "deeply"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "deeply"),
    ],
)
def test_what_cannot_be_read(api, body, why):
    answer = api.generic("POST", THINGS, body, JSON)
    assert (answer.status_code, problem_of(answer)["slug"]) == (400, "parse_error")
    assert why in problem_of(answer)["detail"]


@pytest.mark.parametrize("body", ["[1]", "null", '"text"', "7", "true", "[]", "1e300"])
def test_what_is_no_object(api, body):
    answer = api.generic("POST", THINGS, body, JSON)
    assert (answer.status_code, problem_of(answer)["slug"]) == (422, "invalid")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"number": "many"}, "number"),
        ({"number": 11}, "number"),
        ({"number": 2**62}, "number"),
        ({"number": 1.5}, "number"),
        ({"number": None}, "number"),
        ({"number": {"a": 1}}, "number"),
        ({"word": ["a"]}, "word"),
        ({"word": "x" * 51}, "word"),
        ({"flag": "perhaps"}, "flag"),
        ({"wrod": "misspelt"}, "wrod"),
        ({"": 1}, ""),
        ({"__proto__": 1}, "__proto__"),
    ],
)
def test_field_that_is_wrong_is_named(api, body, field):
    answer = api.post(THINGS, body, JSON)
    assert answer.status_code == 422
    assert [each["field"] for each in problem_of(answer)["errors"]] == [field]


def test_all_wrong_fields_are_named_at_once(api):
    answer = api.post(THINGS, {"flag": "perhaps", "wrod": "misspelt"}, JSON)
    assert {"flag", "wrod"} <= {each["field"] for each in problem_of(answer)["errors"]}


def test_hundreds_of_unknown_fields(api):
    answer = api.post(THINGS, {f"field{number}": 1 for number in range(3000)}, JSON)
    assert answer.status_code == 422
    assert len(problem_of(answer)["errors"]) == 20


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1024 * 1024, 3 * 1024 * 1024])  # the last: over Django's limit too
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_too_large(api, size, headers):
    answer = api.generic("POST", THINGS, b'{"word": "' + b"x" * size + b'"}', JSON, headers=headers)
    assert (answer.status_code, problem_of(answer)["slug"]) == (413, "too_large")


def test_just_small_enough(api):
    body = json.dumps({"word": "x"}) + " " * 70_000
    assert api.generic("POST", THINGS, body[: 64 * 1024], JSON).status_code == 201


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_other_types_than_json(api, kind):
    answer = api.generic("POST", THINGS, b'{"word": "a"}', kind)
    assert (answer.status_code, problem_of(answer)["slug"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("charset", ["utf-8", "base64", "utf-16", "nonsense", '"', "rot13", "idna"])
@pytest.mark.django_db(transaction=True)
async def test_charset_changes_nothing(alice, settings, charset):
    """JSON is UTF-8, and "base64" is a Python codec that is not for text. ASGI passes both to Django."""
    settings.ROOT_URLCONF = "tests.support.tiny_api"
    headers = {"X-User-Token": await sync_to_async(token)(alice)}
    kind = f"{JSON}; charset={charset}"
    answer = await AsyncClient().generic("POST", f"{THINGS}?a=b", b'{"word": "a"}', kind, headers=headers)
    assert answer.status_code == 201


async def received(*parts: bytes, path: str) -> bytes:
    """Return the body that an application behind bounded() gets when it arrives in these parts."""

    async def application(scope, receive, send):
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message.get("more_body"):
                break
        await send({"type": "done", "body": body})

    peer = ApplicationCommunicator(bounded(application), {"type": "http", "path": path})
    for number, part in enumerate(parts, start=1):
        await peer.send_input({"type": "http.request", "body": part, "more_body": number < len(parts)})
    return (await peer.receive_output())["body"]


async def test_no_more_is_kept_than_may_be_read(settings):
    settings.API_BODY_LIMIT = 10
    assert await received(b"12345", b"67890", path="/api/v1/pods") == b"1234567890"
    assert await received(b"12345", b"67890ab", b"c", b"", path="/api/v1/pods") == b"1234567890a"
    assert await received(b"x" * 100, path="/api/") == b"x" * 11
    assert await received(b"x" * 100, b"y", path="/admin/") == b"x" * 100 + b"y"


async def test_client_that_left_is_told_of(settings):
    async def application(scope, receive, send):
        await send(await receive())

    peer = ApplicationCommunicator(bounded(application), {"type": "http", "path": "/api/"})
    await peer.send_input({"type": "http.disconnect"})
    assert await peer.receive_output() == {"type": "http.disconnect"}
