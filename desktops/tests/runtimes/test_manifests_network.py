"""The complete Service, NetworkPolicy and Ingress of a desktop, which decide who can connect to it."""

import pytest

from desktops.runtimes.base import NodePorts
from desktops.runtimes.kubernetes import network_manifests
from desktops.tests.runtimes.test_manifests import ID, METADATA, NAME, cluster, spec, with_annotations

SERVICE_PORTS = [
    {"name": "vnc", "port": 5901, "targetPort": 5901, "protocol": "TCP"},
    {"name": "novnc", "port": 6080, "targetPort": 6080, "protocol": "TCP"},
    {"name": "ssh", "port": 22, "targetPort": 2222, "protocol": "TCP"},
]


@pytest.mark.parametrize(
    ("exposure", "kind", "node_ports"),
    [
        ("proxy", "ClusterIP", None),
        ("ingress", "ClusterIP", None),
        ("loadbalancer", "LoadBalancer", None),
        ("nodeport", "NodePort", (30001, 30002, 31001)),
    ],
)
def test_service(exposure, kind, node_ports):
    ports = SERVICE_PORTS
    if node_ports:
        ports = [port | {"nodePort": number} for port, number in zip(SERVICE_PORTS, node_ports, strict=True)]
    wanted = spec(ports=NodePorts(*node_ports) if node_ports else None)
    assert network_manifests.service(wanted, cluster(exposure=exposure)) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": METADATA,
        "spec": {
            "type": kind,
            "selector": {"app.kubernetes.io/instance": NAME, "podesk/run": "3"},
            "publishNotReadyAddresses": True,
            "ports": ports,
        },
    }


PROXY = {
    "from": [
        {
            "namespaceSelector": {"matchLabels": {"podesk/portal": "site-1"}},
            "podSelector": {
                "matchLabels": {"app.kubernetes.io/name": "podesk", "app.kubernetes.io/component": "proxy"}
            },
        }
    ],
    "ports": [{"protocol": "TCP", "port": 5901}, {"protocol": "TCP", "port": 2222}],
}
ANYBODY = {
    "ports": [
        {"protocol": "TCP", "port": 5901},
        {"protocol": "TCP", "port": 6080},
        {"protocol": "TCP", "port": 2222},
    ]
}
INGRESS_CONTROLLER = {
    "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}],
    "ports": [{"protocol": "TCP", "port": 6080}],
}
NAME_SERVERS = {
    "to": [
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}},
        {"ipBlock": {"cidr": "169.254.20.10/32"}},
        {"ipBlock": {"cidr": "169.254.25.10/32"}},
    ],
    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
}
PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
INTERNET = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": PRIVATE}}]}


@pytest.mark.parametrize(
    ("exposure", "come_in"),
    [
        ("proxy", [PROXY]),
        ("nodeport", [PROXY, ANYBODY]),
        ("loadbalancer", [PROXY, ANYBODY]),
        ("ingress", [PROXY, INGRESS_CONTROLLER]),
    ],
)
def test_network_policy(exposure, come_in):
    assert network_manifests.network_policy(spec(), cluster(exposure=exposure)) == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": METADATA,
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/instance": NAME}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": come_in,
            "egress": [NAME_SERVERS, INTERNET],
        },
    }


def test_the_new_internet_is_open_where_somebody_has_said_what_of_it_is_inside():
    made = network_manifests.network_policy(spec(), cluster(egress_except=("10.0.0.0/8", "fc00::/7", "fe80::/10")))
    assert made["spec"]["egress"][1]["to"] == [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}},
        {"ipBlock": {"cidr": "::/0", "except": ["fc00::/7", "fe80::/10"]}},
    ]


def test_name_servers_are_asked_where_the_cluster_has_them():
    made = network_manifests.network_policy(spec(), cluster(name_servers=("10.96.0.10/32", "fd00::a/128")))
    names = made["spec"]["egress"][0]
    assert names["to"] == [
        NAME_SERVERS["to"][0],
        {"ipBlock": {"cidr": "10.96.0.10/32"}},
        {"ipBlock": {"cidr": "fd00::a/128"}},
    ]
    assert names["ports"] == NAME_SERVERS["ports"]  # other ports of name servers stay closed


def test_ingress():
    nginx = {
        "use-regex": "true",
        "rewrite-target": "/$2",
        "proxy-read-timeout": "86400",
        "proxy-send-timeout": "86400",
        "proxy-buffering": "off",
        "auth-url": f"http://podesk-web.vnc-system.svc.cluster.local/desktops/{ID}/gate/",
        "auth-signin": f"https://podesk.example.org/accounts/login/?next=/desktops/{ID}/",
        "force-ssl-redirect": "true",
    }
    path = {
        "path": f"/direct/{ID}(/|$)(.*)",
        "pathType": "ImplementationSpecific",
        "backend": {"service": {"name": NAME, "port": {"number": 6080}}},
    }
    assert network_manifests.ingress(spec(), cluster(exposure="ingress")) == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": with_annotations(**{f"nginx.ingress.kubernetes.io/{key}": value for key, value in nginx.items()}),
        "spec": {
            "rules": [{"host": "desktops.example.org", "http": {"paths": [path]}}],
            "ingressClassName": "nginx",
        },
    }


def test_ingress_with_a_certificate():
    usual = cluster().ingress
    secured = type(usual)(**(vars(usual) | {"tls_secret": "cert", "class_name": ""}))
    made = network_manifests.ingress(spec(), cluster(exposure="ingress", ingress=secured))
    assert made["spec"]["tls"] == [{"hosts": ["desktops.example.org"], "secretName": "cert"}]
    assert "ingressClassName" not in made["spec"]


@pytest.mark.parametrize(("url", "redirects"), [("https://a.example:30843", "true"), ("http://a.example", "false")])
@pytest.mark.parametrize("secret", ["", "cert"])
def test_ingress_asks_for_https_where_the_portal_does(url, redirects, secret):
    """Without its own certificate the ingress once allowed plain HTTP on a host that uses HTTPS."""
    usual = cluster().ingress
    other = type(usual)(**(vars(usual) | {"public_url": url, "tls_secret": secret}))
    made = network_manifests.ingress(spec(), cluster(exposure="ingress", ingress=other))
    assert made["metadata"]["annotations"]["nginx.ingress.kubernetes.io/force-ssl-redirect"] == redirects
