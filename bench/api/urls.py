"""The portal's URLs, and for comparison a bare view that answers with the same JSON."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import path

from portal.urls import urlpatterns as addresses_of_the_portal


def bare(request: HttpRequest) -> JsonResponse:
    return JsonResponse(_answer())


@cache
def _answer() -> Any:
    return json.loads(Path(os.environ["BENCH_ANSWER"]).read_text())


urlpatterns = [*addresses_of_the_portal, path("bare/", bare)]
