"""Refusals that people see. `message` and `next_step` are for them; `detail` is for the log."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


class Refusal(Exception):
    """Base of all refusals: caught at the borders only, shown as a sentence, never as a traceback."""

    slug = "refused"
    status_code = 409
    message: Text = _("That cannot be done now.")
    next_step: Text = ""
    retry_after = 0  # seconds after which asking again may help; 0: nobody knows

    def __init__(self, message: Text = "", *, next_step: Text = "", detail: str = "", field: str = "") -> None:
        """`field`: the one of a request's fields that is to blame, with dots, such as "resource_quota.cpu"."""
        self.message = message or self.message
        self.next_step = next_step or self.next_step
        self.detail, self.field = detail, field
        super().__init__(detail or self.slug)
