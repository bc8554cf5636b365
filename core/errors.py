"""Refusals that people see: `message` and `next_step` are for them, `detail` is for the log."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


class Refusal(Exception):
    """Base class of all refusals. Views and other entry points catch it and show a sentence, never a traceback."""

    slug = "refused"
    status_code = 409
    message: Text = _("This is not possible at the moment.")
    next_step: Text = ""
    retry_after = 0  # seconds after which a retry may succeed; 0: unknown

    def __init__(self, message: Text = "", *, next_step: Text = "", detail: str = "", field: str = "") -> None:
        """`field` is the name of the request field at fault, with dots for nested ones: "resource_quota.cpu"."""
        self.message = message or self.message
        self.next_step = next_step or self.next_step
        self.detail, self.field = detail, field
        super().__init__(detail or self.slug)
