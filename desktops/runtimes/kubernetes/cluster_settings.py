"""The settings of an installation's cluster, the same for all desktops. Plain data."""

from dataclasses import dataclass
from typing import Literal

Exposure = Literal["proxy", "nodeport", "ingress", "loadbalancer"]


@dataclass(frozen=True)
class IngressSettings:
    """Settings for exposure by ingress.

    `auth_url` is where the ingress controller reaches the portal, without a path.
    """

    host: str
    class_name: str
    tls_secret: str
    namespace: str
    auth_url: str
    public_url: str  # URL of the portal for browsers, to sign in


@dataclass(frozen=True)
class Cluster:
    installation: str
    namespace: str
    storage_class: str  # empty: the cluster's default
    access_mode: str
    pull_policy: str
    pull_secret: str  # empty: none; an image may name its own
    egress_except: tuple[str, ...]  # CIDRs
    name_servers: tuple[str, ...]  # CIDRs, in addition to the cluster's own name servers
    exposure: Exposure
    node_address: str  # for exposure by node port; empty: the address of the desktop's node
    ingress: IngressSettings
    cpu_request_percent: int = 100  # of a desktop's cores; the node reserves so much
