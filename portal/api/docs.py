"""The schema of the API, and a page to read it and try it out; all that the page loads is served from here."""

import json
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer

from portal.api import schema as _scheme  # noqa: F401 - tells drf-spectacular of our kind of token

YAML, JSON = "application/vnd.oai.openapi", "application/vnd.oai.openapi+json"


@csrf_exempt
@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """YAML, or JSON for those who ask for it."""
    kind = request.get_preferred_type([YAML, JSON, "application/json"]) or YAML
    answer = HttpResponse(as_yaml() if kind == YAML else _as_json(), content_type=f"{kind}; charset=utf-8")
    answer["Vary"] = "Accept"
    return answer


@csrf_exempt
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return render(request, "api_docs.html")


@cache
def document() -> dict[str, Any]:
    """Generated once: it is the same for everybody, and takes a second."""
    with translation.override("en"):
        generated = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return dict(json.loads(json.dumps(generated, default=str)))  # help texts are translated when they are written


@cache
def as_yaml() -> str:
    return OpenApiYamlRenderer().render(document(), renderer_context={}).decode()  # type: ignore[no-any-return, no-untyped-call]


@cache
def _as_json() -> str:
    return json.dumps(document(), ensure_ascii=False)
