"""Database errors that mean the database is unavailable, and the problem that the API reports for them."""

from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext_lazy as _

from core.api.problems import Problem

# Also raised for an exhausted pool, a deadlock and a lock timeout, which a retry may solve.
DATABASE_FAULTS = (OperationalError, InterfaceError)
RETRY_AFTER = "5"  # seconds
DATABASE_UNAVAILABLE = Problem(
    503,
    "database_away",
    _("The database is not responding."),
    _("Check whether your request was carried out, then try again in a moment."),
    headers={"Retry-After": RETRY_AFTER},
)
