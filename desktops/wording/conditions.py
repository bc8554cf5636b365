"""Say what is wrong with the installation, and what an administrator can do. By the names of alerts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core import redis_health


class ConditionText(NamedTuple):
    sentence: Promise | str
    next_step: Promise


CONDITIONS = {
    "PodeskRedisUnavailable": ConditionText(
        "%(why)s",
        _("Check the log and the memory of Redis. Running desktops stay open; launches and stops wait."),
    ),
    "PodeskNoController": ConditionText(
        _("No controller reports. Desktops do not become ready, and idle ones do not stop."),
        _("Check the log of the controller, and start it again."),
    ),
    "PodeskControllerStuck": ConditionText(
        _("The controller has not finished a full comparison for %(seconds)s seconds. It may miss changes."),
        _("Check the log of the controller. If each round has the same error, start it again."),
    ),
    "PodeskNoWorkers": ConditionText(
        _("No worker runs. Desktops neither start nor stop."),
        _("Check the log of the workers, and start them again."),
    ),
    "PodeskQueueStuck": ConditionText(
        _("Jobs that wait for a worker: %(jobs)s. The oldest has waited for %(seconds)s seconds."),
        _("Check the log of the workers, or add workers."),
    ),
    "PodeskClusterUnavailable": ConditionText(
        _("The machines that run desktops do not answer. Running desktops stay open; none starts or stops."),
        _("Check the cluster's API and the controller's log."),
    ),
    "PodeskLaunchesFail": ConditionText(
        _("Of %(total)s launches in the last half hour, %(failed)s failed."),
        _("Look at the reasons below and at the history of runs."),
    ),
    "PodeskLaunchesSlow": ConditionText(
        _("One of ten launches of the last half hour took more than %(seconds)s seconds."),
        _("Look at the steps of a slow run in the history of runs."),
    ),
    "PodeskNoRoomOnNodes": ConditionText(
        _("Launches that wait for a node with room: %(launches)s."),
        _("Add nodes, or stop desktops that are not in use."),
    ),
    "PodeskNamespaceQuotaNearlyFull": ConditionText(
        _("%(percent)s %% of the namespace's quota for %(resource)s is used."),
        _("Raise the ResourceQuota, or stop desktops that are not in use."),
    ),
    "PodeskNodePortsNearlyUsedUp": ConditionText(
        _("Of %(total)s node ports for %(range)s, %(free)s are free."),
        _("Widen the range of ports in the settings, or stop desktops that are not in use."),
    ),
    "PodeskHomeFoldersLost": ConditionText(
        _("Home folders that are missing in the cluster: %(folders)s."),
        _("Restore their volumes before anyone begins with new files."),
    ),
    "PodeskHomeFolderNearlyFull": ConditionText(
        _("Home folders of which at least %(percent)s %% is used: %(folders)s."),
        _("Ask their owners to delete files, or give them larger home folders."),
    ),
    "PodeskStorageNearlyFull": ConditionText(
        _("%(percent)s %% of the disk with the home folders is free."),
        _("Delete files that no one needs, or enlarge the disk."),
    ),
    "PodeskCertificateEndsSoon": ConditionText(
        _("The certificate of the portal's address ends in %(days)s days."),
        _("Renew it. Browsers refuse to open the portal after its end."),
    ),
    "PodeskDatabaseBackupTooOld": ConditionText(
        _("The last successful backup of the database is more than %(hours)s hours old, or there is none."),
        _("Check the log of the controller, or on a cluster that of the backup job."),
    ),
    "PodeskDatabaseBackupFailing": ConditionText(
        _("The last backup of the database failed."),
        _("Check the log of the controller, or on a cluster that of the backup job."),
    ),
    "PodeskBackupTooOld": ConditionText(
        _("Changes in home folders with scheduled backups have not been saved for more than %(hours)s hours."),
        _("Check the storage of the backups, and whether BACKUPS_AT_ONCE is enough."),
    ),
    "PodeskBackupsFailing": ConditionText(
        _("Home folders whose backups fail: %(folders)s."),
        _("Look at the reasons under Backup repositories, and check the storage of the backups."),
    ),
    "PodeskBackupNotVerifiable": ConditionText(
        _("Home folders whose backups are damaged or have not been verified for 15 days: %(folders)s."),
        _("Check the storage of the backups, then make new backups of these home folders."),
    ),
}

_ACCESS_DENIED = _("The cluster denies access to the desktops. Running desktops stay open; none starts or stops.")


def sentence(alert: str, facts: Mapping[str, Any]) -> str:
    if facts.get("outage") == "refused":
        return str(_ACCESS_DENIED)
    why = redis_health.sentence(facts.get("reason", ""))
    return str(CONDITIONS[alert].sentence) % {**facts, "why": why}


def next_step(alert: str) -> str:
    return str(CONDITIONS[alert].next_step)
