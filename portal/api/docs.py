"""Serve the OpenAPI document of the API, and a page to read it and try it out that loads nothing from other sites."""

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

from portal.api import schema as _schema  # noqa: F401 - registers SessionTokenScheme with drf-spectacular

YAML, JSON = "application/vnd.oai.openapi", "application/vnd.oai.openapi+json"


@csrf_exempt
@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """Return the document as YAML, or as JSON if the client asks for it."""
    kind = request.get_preferred_type([YAML, JSON, "application/json"]) or YAML
    answer = HttpResponse(as_yaml() if kind == YAML else _as_json(), content_type=f"{kind}; charset=utf-8")
    answer["Vary"] = "Accept"
    return answer


@csrf_exempt
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Return the page that displays the document."""
    return render(request, "api_docs.html")


@cache
def document() -> dict[str, Any]:
    """Return the document. It is the same for all users and takes a second to generate, so it is generated once."""
    with translation.override("en"):
        generated = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return dict(json.loads(json.dumps(generated, default=str)))  # evaluates the lazy help texts


@cache
def as_yaml() -> str:
    return OpenApiYamlRenderer().render(document(), renderer_context={}).decode()  # type: ignore[no-any-return, no-untyped-call]


@cache
def _as_json() -> str:
    return json.dumps(document(), ensure_ascii=False)
