"""Fields that know what an account is."""

from typing import Any

from accounts.models import User
from core.api.fields import Text


class Username(Text):
    """As Django keeps it. Its length is asked of that: one letter may stand for eighteen."""

    def to_internal_value(self, data: Any) -> str:
        return User.normalize_username(super().to_internal_value(data))
