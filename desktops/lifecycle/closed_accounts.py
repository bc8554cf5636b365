"""End everything that disabled accounts still use. Files are kept.

The accounts app does not know desktops, and an account may be disabled by a page, the API, a command or SQL. So the
controller checks the database regularly.

To add a kind of holding, such as a share or a schedule, write a function that ends it and add it to HOLDINGS. Live
streams and waiting requests need none, because they end with their token.
"""

from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q

from accounts import audit
from accounts.disconnects import Disconnect, disconnect_after_commit
from accounts.services import revoke_tokens_of_disabled
from desktops.lifecycle import jobs
from desktops.lifecycle.backups.rounds import cancel_of_disabled
from desktops.lifecycle.queue import enqueue_after_commit
from desktops.models import LAUNCHING, Desktop, Status

log = structlog.get_logger("podesk.controller")
REASON = "account_disabled"  # of desktops.wording.reasons


def release_holdings() -> None:
    """End everything that disabled accounts still use.

    Safe to repeat. Each kind of holding needs one query if there is nothing to do.
    """
    for release in HOLDINGS:
        try:
            release()
        except (OperationalError, InterfaceError):  # the database is unavailable, so the others would fail too
            raise
        except Exception:  # error boundary: one failure must not stop the controller
            log.exception("holding_not_released", kind=release.__name__)


def _stop_desktops() -> None:
    comes_up = Q(status__in=(*LAUNCHING, Status.RUNNING)) | Q(status=Status.STOPPING, restarting=True)
    for desktop in Desktop.objects.filter(comes_up, owner__is_active=False):
        _stop(desktop)


@transaction.atomic
def _stop(desktop: Desktop) -> None:
    """Stop one desktop. If it is restarting, this cancels the restart."""
    if desktop.move(to=Status.STOPPING, reason=REASON, restarting=False, event_params={"reason": REASON}):
        enqueue_after_commit(jobs.stop_desktop, desktop.pk)
        disconnect_after_commit(Disconnect("desktop", str(desktop.pk), "disabled"))
        names = {"pod_name": desktop.object_name, "name": desktop.name}
        audit.record("desktop.stop", by=None, target=desktop.pk, reason=REASON, **names)


HOLDINGS: tuple[Callable[[], None], ...] = (
    revoke_tokens_of_disabled,
    _stop_desktops,
    cancel_of_disabled,
)
