"""Paginate lists by `limit` and `offset`. A page has `count`, `next`, `previous` and `results`."""

from typing import Any

from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request

LIMIT, LONGEST, FARTHEST = 50, 200, 1_000_000


class Pagination(LimitOffsetPagination):
    """A page whose limit and offset PageQuery has validated. DRF's own parsing silently ignores invalid numbers."""

    default_limit, max_limit = LIMIT, LONGEST

    def __init__(self, *, limit: int = LIMIT, offset: int = 0) -> None:
        self._limit, self._offset = limit, offset

    def get_limit(self, request: Request) -> int:
        return self._limit

    def get_offset(self, request: Request) -> int:
        return self._offset

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        return super().paginate_queryset(queryset, request, view) or []
