"""What an installation says of its cluster: the same for all its desktops. Plain data."""

from dataclasses import dataclass
from typing import Literal

Exposure = Literal["proxy", "nodeport", "ingress", "loadbalancer"]


@dataclass(frozen=True)
class IngressSettings:
    """For exposure by ingress. `auth_url`: where the controller reaches the portal, without a path."""

    host: str
    class_name: str
    tls_secret: str
    namespace: str
    auth_url: str
    public_url: str  # where browsers reach the portal, to sign in


@dataclass(frozen=True)
class Cluster:
    installation: str
    namespace: str
    storage_class: str  # empty: the cluster's default
    access_mode: str
    pull_policy: str
    pull_secret: str  # empty: none; an image may name its own
    egress_except: tuple[str, ...]  # CIDR
    name_servers: tuple[str, ...]  # CIDR, beside the cluster's own pods
    exposure: Exposure
    node_address: str  # for exposure by node port; empty: the node's own
    ingress: IngressSettings
