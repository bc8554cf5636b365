"""Runtimes create and run desktops. In this package, only the two functions below use Django."""

from functools import cache
from typing import TYPE_CHECKING, Any

# A desktop's own process also imports this package. Importing neither Django nor a runtime keeps its start fast.
if TYPE_CHECKING:
    from desktops.runtimes.backups.base import BackupEngine
    from desktops.runtimes.base import Runtime
    from desktops.runtimes.kubernetes.backup_manifests import BackupJobSettings
    from desktops.runtimes.kubernetes.cluster_settings import Cluster


@cache
def get_runtime() -> "Runtime":
    """Return the runtime that the settings name."""
    from django.conf import settings

    if settings.DESKTOP_RUNTIME == "kubernetes":
        # imported here because the Kubernetes client is slow to import and only clusters need it
        from desktops.runtimes.kubernetes.kubernetes_runtime import KubernetesRuntime

        return KubernetesRuntime(_cluster(settings))
    from desktops.runtimes.local.local_runtime import LocalRuntime

    return LocalRuntime(
        settings.LOCAL_RUNTIME_DIR, installation=settings.INSTALLATION_ID, user=settings.LOCAL_DESKTOP_USER
    )


@cache
def get_backup_engine() -> "BackupEngine | None":
    """Return what backs up home folders, or None if there are no backups."""
    from django.conf import settings

    if not settings.BACKUP_REPOSITORY:
        return None
    if settings.DESKTOP_RUNTIME == "kubernetes":
        from desktops.runtimes.kubernetes.backup_engine import KubernetesBackupEngine

        return KubernetesBackupEngine(_cluster(settings), _backup_jobs(settings))
    from desktops.runtimes.local.backup_engine import LocalBackupEngine

    return LocalBackupEngine(
        settings.LOCAL_RUNTIME_DIR, repository=settings.BACKUP_REPOSITORY, user=settings.LOCAL_DESKTOP_USER
    )


def _cluster(settings: Any) -> "Cluster":
    from desktops.runtimes.kubernetes.cluster_settings import Cluster, IngressSettings

    return Cluster(
        installation=settings.INSTALLATION_ID,
        namespace=settings.K8S_NAMESPACE,
        storage_class=settings.DESKTOP_STORAGE_CLASS,
        access_mode=settings.DESKTOP_ACCESS_MODE,
        pull_policy=settings.DESKTOP_PULL_POLICY,
        pull_secret=settings.DESKTOP_PULL_SECRET,
        egress_except=tuple(settings.DESKTOP_EGRESS_EXCEPT),
        name_servers=tuple(settings.DESKTOP_DNS_CIDRS),
        exposure=settings.DESKTOP_EXPOSURE,
        node_address=settings.DESKTOP_NODE_ADDRESS,
        cpu_request_percent=settings.DESKTOP_CPU_REQUEST_PERCENT,
        ingress=IngressSettings(
            host=settings.DESKTOP_INGRESS_HOST,
            class_name=settings.DESKTOP_INGRESS_CLASS,
            tls_secret=settings.DESKTOP_INGRESS_TLS_SECRET,
            namespace=settings.DESKTOP_INGRESS_NAMESPACE,
            auth_url=settings.DESKTOP_INGRESS_AUTH_URL,
            public_url=settings.PUBLIC_URL,
        ),
    )


def _backup_jobs(settings: Any) -> "BackupJobSettings":
    from desktops.runtimes.kubernetes.backup_manifests import BackupJobSettings

    return BackupJobSettings(
        image=settings.BACKUP_IMAGE,
        deadline=settings.BACKUP_DEADLINE,
        networks=tuple(settings.BACKUP_EGRESS_CIDRS),
    )
