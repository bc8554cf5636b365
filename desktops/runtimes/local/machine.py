"""What this machine has: storage, CPU and memory."""

import shutil
from pathlib import Path

import psutil

from desktops.runtimes.base import MachineCapacity, StorageSpace

_MIB = 2**20


def storage_space(root: Path) -> StorageSpace | None:
    """Return the size of the disk with this folder, or None before the folder exists."""
    if not root.exists():
        return None
    disk = shutil.disk_usage(root)
    return StorageSpace(disk.used, disk.free)


def capacity() -> MachineCapacity:
    cores = psutil.cpu_count() or 1
    return MachineCapacity(1, float(cores), psutil.virtual_memory().total / _MIB, gpu=0)
