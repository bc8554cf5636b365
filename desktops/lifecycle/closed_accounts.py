"""Let go of everything that a disabled account holds.

accounts knows no desktops, and the account may have been disabled by any route: a page, the API, a command, SQL. So the
controller looks again and again, and needs nothing but the database to find out. Files are kept.

To add a kind of holding, such as a share or a schedule, write a function that ends it and add it to HOLDINGS. Live
streams and waiting requests need none: they end with their token."""

from collections.abc import Callable

import structlog
from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.disconnects import Disconnect, disconnect_after_commit
from accounts.services import revoke_tokens_of_disabled
from desktops.lifecycle import jobs
from desktops.lifecycle.queue import enqueue_after_commit
from desktops.models import LAUNCHING, Desktop, Status

log = structlog.get_logger("podesk.controller")
REASON = "account_disabled"  # of desktops.wording.reasons


def release_holdings() -> None:
    """End all that disabled accounts still hold. May run at any time, and twice. One query for each kind of holding
    when there is nothing to do."""
    for release in HOLDINGS:
        try:
            release()
        except Exception:  # a border: what cannot be released must not keep the controller from everything else
            log.exception("holding_not_released", kind=release.__name__)


def _stop_desktops() -> None:
    comes_up = Q(status__in=(*LAUNCHING, Status.RUNNING)) | Q(status=Status.STOPPING, restarting=True)
    for desktop in Desktop.objects.filter(comes_up, owner__is_active=False):
        _stop(desktop)


@transaction.atomic
def _stop(desktop: Desktop) -> None:
    """Also for one that is half way through a restart, which ends here."""
    if desktop.move(to=Status.STOPPING, reason=REASON, restarting=False, event_params={"reason": REASON}):
        enqueue_after_commit(jobs.stop_desktop, desktop.pk)
        disconnect_after_commit(Disconnect("desktop", str(desktop.pk), "disabled"))
        names = {"pod_name": desktop.object_name, "name": desktop.name}
        audit.record("desktop.stop", by=None, target=desktop.pk, reason=REASON, **names)


HOLDINGS: tuple[Callable[[], None], ...] = (revoke_tokens_of_disabled, _stop_desktops)
