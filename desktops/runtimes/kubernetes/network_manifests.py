"""Build the Kubernetes objects that control network access to a desktop. Pure."""

from desktops.runtimes.base import DesktopSpec
from desktops.runtimes.kubernetes.cluster_settings import Cluster
from desktops.runtimes.kubernetes.manifests import NOVNC, RUN, SSH, SSH_OUTSIDE, VNC, Body, annotations, metadata

DIRECT_PATH = "/direct"  # URL path of desktops behind an ingress
_A_DAY = "86400"  # seconds; the ingress's default would cut an idle connection


def network_policy(spec: DesktopSpec, cluster: Cluster) -> Body:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(spec),
        "spec": {
            # Matches all runs, because the pod of an earlier one may still be ending.
            "podSelector": {"matchLabels": {"app.kubernetes.io/instance": spec.name}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": _may_come_in(spec, cluster),
            "egress": _may_go_out(cluster),
        },
    }


def service(spec: DesktopSpec, cluster: Cluster) -> Body:
    types = {"nodeport": "NodePort", "loadbalancer": "LoadBalancer"}
    ports = [
        {"name": "vnc", "port": VNC, "targetPort": VNC, "protocol": "TCP"},
        {"name": "novnc", "port": NOVNC, "targetPort": NOVNC, "protocol": "TCP"},
        {"name": "ssh", "port": SSH_OUTSIDE, "targetPort": SSH, "protocol": "TCP"},
    ]
    if spec.ports:
        for port, node_port in zip(ports, (spec.ports.vnc, spec.ports.novnc, spec.ports.ssh), strict=True):
            port["nodePort"] = node_port
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(spec),
        "spec": {
            "type": types.get(cluster.exposure, "ClusterIP"),
            "selector": {"app.kubernetes.io/instance": spec.name, RUN: str(spec.run)},
            # Lets the nodes learn the route early. The controller checks readiness itself.
            "publishNotReadyAddresses": True,
            "ports": ports,
        },
    }


def ingress(spec: DesktopSpec, cluster: Cluster) -> Body:
    """Return the Ingress for nginx, which checks each request with the portal."""
    wanted = cluster.ingress
    backend = {"service": {"name": spec.name, "port": {"number": NOVNC}}}
    path = {
        "path": f"{DIRECT_PATH}/{spec.desktop_id}(/|$)(.*)",
        "pathType": "ImplementationSpecific",
        "backend": backend,
    }
    body: Body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(spec) | {"annotations": annotations(spec) | _nginx(spec, cluster)},
        "spec": {"rules": [{"host": wanted.host, "http": {"paths": [path]}}]},
    }
    if wanted.class_name:
        body["spec"]["ingressClassName"] = wanted.class_name
    if wanted.tls_secret:
        body["spec"]["tls"] = [{"hosts": [wanted.host], "secretName": wanted.tls_secret}]
    return body


def _may_come_in(spec: DesktopSpec, cluster: Cluster) -> list[Body]:
    proxy = {
        "namespaceSelector": {"matchLabels": {"podesk/portal": spec.installation}},
        "podSelector": {
            "matchLabels": {"app.kubernetes.io/name": "podesk", "app.kubernetes.io/component": "proxy"},
        },
    }
    rules: list[Body] = [{"from": [proxy], "ports": _tcp(VNC, SSH)}]
    if cluster.exposure == "ingress":
        controller = {"matchLabels": {"kubernetes.io/metadata.name": cluster.ingress.namespace}}
        rules.append({"from": [{"namespaceSelector": controller}], "ports": _tcp(NOVNC)})
    elif cluster.exposure in ("nodeport", "loadbalancer"):
        rules.append({"ports": _tcp(VNC, NOVNC, SSH)})  # from anywhere, which is the purpose of this exposure
    return rules


def _may_go_out(cluster: Cluster) -> list[Body]:
    """Allow name servers and the internet, but no other desktops, the cluster's API, or cloud metadata."""
    names: list[Body] = [
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}},
        *({"ipBlock": {"cidr": cidr}} for cidr in cluster.name_servers),
    ]
    ip4 = [cidr for cidr in cluster.egress_except if ":" not in cidr]
    ip6 = [cidr for cidr in cluster.egress_except if ":" in cidr]
    internet = [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ip4}}]
    if ip6:  # only if IPv6 ranges to exclude are configured
        internet.append({"ipBlock": {"cidr": "::/0", "except": ip6}})
    dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return [{"to": names, "ports": dns}, {"to": internet}]


def _tcp(*ports: int) -> list[Body]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def _nginx(spec: DesktopSpec, cluster: Cluster) -> dict[str, str]:
    wanted, desktop = cluster.ingress, f"/desktops/{spec.desktop_id}/"
    wanted_of_nginx = {
        "use-regex": "true",
        "rewrite-target": "/$2",
        "proxy-read-timeout": _A_DAY,
        "proxy-send-timeout": _A_DAY,
        "proxy-buffering": "off",
        "auth-url": f"{wanted.auth_url}{desktop}gate/",
        # Return to the desktop's page on the portal, whatever the ingress's host is.
        "auth-signin": f"{wanted.public_url}/accounts/login/?next={desktop}",
        # Follow the portal's scheme, because the certificate may belong to this Ingress, another one, or the
        # controller.
        "force-ssl-redirect": "true" if wanted.public_url.startswith("https://") else "false",
    }
    return {f"nginx.ingress.kubernetes.io/{key}": value for key, value in wanted_of_nginx.items()}
