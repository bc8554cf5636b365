"""Runtimes: how desktops come to exist. `get_runtime` is the only place here that knows Django."""

from functools import cache
from typing import TYPE_CHECKING, Any

# A desktop's own process starts through this package while a person waits: it needs neither Django nor a runtime.
if TYPE_CHECKING:
    from desktops.runtimes.base import Runtime
    from desktops.runtimes.kubernetes.cluster_settings import Cluster


@cache
def get_runtime() -> "Runtime":
    """The runtime that the settings name."""
    from django.conf import settings

    if settings.DESKTOP_RUNTIME == "kubernetes":
        # Its client takes long to import, and only clusters need it.
        from desktops.runtimes.kubernetes.kubernetes_runtime import KubernetesRuntime

        return KubernetesRuntime(_cluster(settings))
    from desktops.runtimes.local.local_runtime import LocalRuntime

    return LocalRuntime(
        settings.LOCAL_RUNTIME_DIR, installation=settings.INSTALLATION_ID, user=settings.LOCAL_DESKTOP_USER
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
        ingress=IngressSettings(
            host=settings.DESKTOP_INGRESS_HOST,
            class_name=settings.DESKTOP_INGRESS_CLASS,
            tls_secret=settings.DESKTOP_INGRESS_TLS_SECRET,
            namespace=settings.DESKTOP_INGRESS_NAMESPACE,
            auth_url=settings.DESKTOP_INGRESS_AUTH_URL,
            public_url=settings.PUBLIC_URL,
        ),
    )
