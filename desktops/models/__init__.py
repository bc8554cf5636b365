"""The database rows: wanted and actual state. Rules that must always hold are constraints here."""

from desktops.models.backup import Backup, BackupRepository, BackupTask
from desktops.models.catalog import DesktopImage, DesktopSize, Resources
from desktops.models.database_backup import DatabaseBackup
from desktops.models.desktop import Desktop, DesktopEvent
from desktops.models.port_lease import PortLease
from desktops.models.run import DesktopRun, RunResult
from desktops.models.run_usage import RunUsage
from desktops.models.status import ACTIVE, AT_REST, LAUNCHING, MOVING, Status
from desktops.models.storage_period import StoragePeriod
from desktops.models.volume import Volume

__all__ = [
    "ACTIVE",
    "AT_REST",
    "LAUNCHING",
    "MOVING",
    "Backup",
    "BackupRepository",
    "BackupTask",
    "DatabaseBackup",
    "Desktop",
    "DesktopEvent",
    "DesktopImage",
    "DesktopRun",
    "DesktopSize",
    "PortLease",
    "Resources",
    "RunResult",
    "RunUsage",
    "Status",
    "StoragePeriod",
    "Volume",
]
