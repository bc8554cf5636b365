"""The faults of a database that does not answer, and the problem that the API reports then."""

from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext_lazy as _

from core.api.problems import Problem

# Also a full pool, a deadlock, a lock that lasted too long: all that may be better in a moment.
DATABASE_FAULTS = (OperationalError, InterfaceError)
RETRY_AFTER = "5"  # seconds
DATABASE_UNAVAILABLE = Problem(
    503,
    "database_away",
    _("The database does not answer at present."),
    _("Try again in a moment, and look whether it was done."),
    headers={"Retry-After": RETRY_AFTER},
)
