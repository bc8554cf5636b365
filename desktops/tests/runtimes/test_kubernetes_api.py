"""Calls of the cluster's API when it fails: repeated within one deadline, and reported as a RuntimeFault."""

import time
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes.config import incluster_config

from desktops.runtimes.base import Deadline, RuntimeFault, RuntimeUnknown
from desktops.runtimes.kubernetes import client
from desktops.runtimes.kubernetes.client import ApiClient, ApiRefused, ApiRequest
from desktops.runtimes.kubernetes.errors import fault, reading
from desktops.runtimes.kubernetes.operations import NamespaceOperations
from desktops.tests.support.faulty_api_server import hangs, refuses, resets, says, serving

GOOD = says(200, {"kind": "Pod"})
POD = {"kind": "Pod", "metadata": {"name": "vnc-x"}}
GET = ApiRequest("GET", "/api/v1/namespaces/here/pods/vnc-x")


@pytest.fixture
def server(monkeypatch, tmp_path):
    with serving(GOOD) as made:
        monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig(tmp_path)))
        yield made


def call(seconds: float = 5, request: ApiRequest = GET):
    return ApiClient().call(request, Deadline.after(seconds))


def calls(seconds: float = 5) -> NamespaceOperations:
    return NamespaceOperations(ApiClient(), "here", Deadline.after(seconds))


@pytest.mark.parametrize(
    "bad",
    [refuses(503), refuses(500, "InternalError"), refuses(504), resets, says(200, b"<html>"), says(502, b"\xff\xfe")],
    ids=["503", "500", "504", "reset", "not JSON", "not even text"],
)
def test_what_passes_is_repeated(server, bad):
    server.script[:] = [bad, bad, GOOD]
    assert call() == {"kind": "Pod"}
    assert len(server.seen) == 3


def test_who_asks_too_often_waits_as_long_as_told(server):
    server.script[:] = [says(429, {}, Retry_After="1"), GOOD]
    began = time.monotonic()
    assert call() == {"kind": "Pod"}
    assert time.monotonic() - began >= 1


def test_nobody_waits_beyond_the_deadline(server):
    server.script[:] = [says(429, {}, Retry_After="60")]
    with pytest.raises(RuntimeUnknown, match="429"):
        call()
    assert len(server.seen) == 1


@pytest.mark.parametrize("bad", [refuses(503, message="etcd is away"), resets, hangs, says(200, b"{")])
def test_no_answer_before_the_deadline_is_unknown(server, bad):
    server.script[:] = [bad]
    with pytest.raises(RuntimeUnknown, match="GET /api/v1/namespaces/here/pods/vnc-x: "):
        call(0.6)


def test_nobody_there_is_unknown(server):
    server.server_close()
    with pytest.raises(RuntimeUnknown, match="refused"):
        call(0.5)


def test_unavailable_webhook_is_reported_at_once(server):
    server.script[:] = [refuses(500, "InternalError", AWAY), GOOD]
    assert call() == {"kind": "Pod"}
    server.seen.clear()
    server.script[:] = [refuses(500, "InternalError", AWAY)]
    with pytest.raises(ApiRefused, match="failed calling webhook"):
        call(20)
    assert len(server.seen) == 2


@pytest.mark.parametrize("status", [429, 500])
def test_webhook_that_denies_with_a_status_of_its_own_is_reported_at_once(server, status):
    server.script[:] = [refuses(status, "InternalError", WEBHOOK)]
    with pytest.raises(ApiRefused) as raised:
        call(20)
    assert len(server.seen) == 2
    assert fault(raised.value).reason == "admission_denied"


def test_without_time_nothing_is_asked(server):
    with pytest.raises(RuntimeUnknown, match="no time left"):
        call(0)
    assert server.seen == []


def test_one_call_that_hangs_does_not_take_all_the_time(server, monkeypatch):
    monkeypatch.setattr(client, "CALL_SECONDS", 0.2)
    server.script[:] = [hangs, GOOD]
    assert call() == {"kind": "Pod"}


def test_a_renewed_token_is_read_again(server, tmp_path):
    api = ApiClient()
    api.call(GET, Deadline.after(5))
    server.kubeconfig(tmp_path, token="second")
    server.script[:] = [refuses(401, "Unauthorized"), GOOD]
    api.call(GET, Deadline.after(5))
    assert [token for *_, token in server.seen] == ["Bearer first", "Bearer first", "Bearer second"]


def test_a_token_that_stays_refused_is_not_tried_again(server):
    server.script[:] = [refuses(401, "Unauthorized")]
    with pytest.raises(ApiRefused, match="401"):
        call()
    assert len(server.seen) == 2


@pytest.mark.parametrize("text", [None, "", "no: [yaml", "[]", "{}", "current-context: nowhere"])
def test_a_configuration_that_cannot_be_used_is_said(monkeypatch, tmp_path, text):
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(RuntimeUnknown, match="set KUBECONFIG to a working file"):
        call()


def test_a_repaired_configuration_is_used(monkeypatch, tmp_path, server):
    api, good = ApiClient(), server.kubeconfig(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(RuntimeUnknown):
        api.call(GET, Deadline.after(1))
    monkeypatch.setenv("KUBECONFIG", str(good))
    assert api.call(GET, Deadline.after(1)) == {"kind": "Pod"}


def test_a_configuration_that_somebody_names_comes_before_that_of_the_pod(server, monkeypatch, tmp_path):
    for name in ("token", "ca.crt"):
        (tmp_path / name).write_text("of the pod")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    assert call() == {"kind": "Pod"}
    monkeypatch.delenv("KUBECONFIG")
    assert client._configuration().host == "https://192.0.2.1:443"


# --- verbs


def test_what_is_not_there(server):
    server.script[:] = [refuses(404, "NotFound")]
    assert calls().get("Pod", "vnc-x") is None
    assert calls().patch("Pod", "vnc-x", {}) is None
    calls().delete({"kind": "Pod", "metadata": {"name": "vnc-x", "uid": "u-1"}})
    assert calls().log("vnc-x", {}) == ""


def test_of_a_long_log_the_newest_lines_come(server):
    printed = [b"%05d " % number + b"x" * 1000 + b"\n" for number in range(5000)]

    def as_clusters_do(handler) -> None:
        """Return the first bytes of the last lines."""
        query = parse_qs(urlsplit(handler.path).query)
        last = b"".join(printed[-int(query["tailLines"][0]) :])
        says(200, last[: int(query["limitBytes"][0])])(handler)

    server.script[:] = [as_clusters_do]
    found = calls().log("vnc-x", {"tailLines": 5000}).splitlines()
    assert found[-1].startswith("04999 ")
    assert len(found) > 500
    printed[-1] = b"y" * (2 << 20)  # one line that is longer than the limit
    assert set(calls().log("vnc-x", {"tailLines": 3})) == {"y"}


def test_what_is_there_already_is_not_made(server):
    server.script[:] = [refuses(409, "AlreadyExists")]
    assert calls().create(POD) is None
    assert server.seen[0][:3] == ("POST", "/api/v1/namespaces/here/pods", POD)


def test_a_full_quota_does_not_hide_what_is_there(server):
    server.script[:] = [refuses(403, "Forbidden", "exceeded quota: pods"), GOOD]
    assert calls().create(POD) is None


def test_node_ports_in_use_do_not_hide_that_it_is_our_own_service_that_uses_them(server):
    """The API checks the ports before the name."""
    service = POD | {"kind": "Service"}
    server.script[:] = [refuses(422, "Invalid", PORT), says(200, service)]
    assert calls().create(service) is None
    server.script[:] = [refuses(422, "Invalid", PORT), refuses(404, "NotFound")]
    with pytest.raises(ApiRefused, match="already allocated"):
        calls().create(service)


def test_a_quota_that_others_use_at_this_moment_is_asked_again(server):
    busy = refuses(409, "Conflict", 'Operation cannot be fulfilled on resourcequotas "q"')
    server.script[:] = [busy, busy, says(201, POD)]
    assert calls().create(POD) == POD


def test_only_the_very_object_is_deleted(server):
    server.script[:] = [refuses(409, "Conflict", "the UID in the precondition does not match")]
    calls().delete({"kind": "Pod", "metadata": {"name": "vnc-x", "uid": "u-1"}})
    [(method, path, body, _)] = server.seen
    assert (method, path, body["preconditions"]) == ("DELETE", "/api/v1/namespaces/here/pods/vnc-x", {"uid": "u-1"})


def test_lists_come_in_pages(server):
    server.script[:] = [
        says(200, {"metadata": {"continue": "more"}, "items": [1]}),
        refuses(410, "Expired"),
        says(200, {"metadata": {"continue": "more"}, "items": [1, 2]}),
        says(200, {"metadata": {}, "items": [3]}),
    ]
    assert calls().list("Pod", labelSelector="a=b") == [1, 2, 3]
    assert "labelSelector=a%3Db" in server.paths[0]
    assert "continue=more" in server.paths[3]


# --- what refusals mean


QUOTA = 'pods "vnc-x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=5'
RBAC = 'pods is forbidden: User "system:serviceaccount:a:b" cannot create resource "pods" in API group ""'
SECURITY = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
WEBHOOK = 'admission webhook "policy.example.org" denied the request: no images from there'
POLICY = "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'a' with binding 'b' denied request: too many cores"
AWAY = 'Internal error occurred: failed calling webhook "policy.example.org": Post "https://policy": connection refused'
ENDING = 'pods "x" is forbidden: unable to create new content in namespace here because it is being terminated'
LIMITS = 'pods "x" is forbidden: maximum cpu usage per Container is 1, but limit is 2'
PRIORITY = 'pods "x" is forbidden: no PriorityClass with name desktops was found'
PORT = 'Service "x" is invalid: spec.ports[0].nodePort: Invalid value: 31290: provided port is already allocated'
RANGE = 'Service "x" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range'


@pytest.mark.parametrize(
    ("status", "message", "reason", "permanent"),
    [
        (403, QUOTA, "namespace_quota", True),
        (403, RBAC, "cluster_forbids", True),
        (403, SECURITY, "admission_denied", True),
        (403, WEBHOOK, "admission_denied", True),
        (400, WEBHOOK, "admission_denied", True),
        (422, POLICY, "admission_denied", True),
        (500, AWAY, "admission_away", False),
        (403, ENDING, "namespace_missing", True),
        (403, LIMITS, "above_limit", True),
        (403, PRIORITY, "admission_denied", True),
        (401, "Unauthorized", "cluster_forbids", True),
        (403, 'pods "x" is forbidden: status unknown for quota: q, resources: pods', "start_failed", False),
        (
            403,
            'error looking up service account here/default: serviceaccount "default" not found',
            "start_failed",
            False,
        ),
        (422, PORT, "port_taken", False),
        (422, RANGE, "start_failed", True),
        (422, 'Pod "x" is invalid: spec.containers[0].image: Required value', "start_failed", True),
    ],
)
def test_faults(status, message, reason, permanent):
    raised = fault(ApiRefused(status, {"message": message}))
    assert (raised.reason, raised.permanent) == (reason, permanent)
    assert raised.detail == "31290" if reason == "port_taken" else message in raised.detail


FORBIDDEN = 'pods "vnc-x" is forbidden: '
TWO_LIMITS = (
    "[maximum memory usage per Container is 128Mi, but limit is 256Mi,"
    " minimum cpu usage per Pod is 1, but request is 50m]"
)


@pytest.mark.parametrize(
    ("message", "reason", "facts"),
    [
        (LIMITS, "above_limit", {"what": "cpu", "limit": "1", "asked": "2"}),
        (FORBIDDEN + TWO_LIMITS, "above_limit", {"what": "memory", "limit": "128Mi", "asked": "256Mi"}),
        (
            FORBIDDEN + "minimum cpu usage per Container is 100m, but request is 50m",
            "below_limit",
            {"what": "cpu", "limit": "100m", "asked": "50m"},
        ),
        (
            'persistentvolumeclaims "home-x" is forbidden: maximum storage usage per PersistentVolumeClaim is 5Gi, but'
            " limit is 10Gi",
            "above_limit",
            {"what": "storage", "limit": "5Gi", "asked": "10Gi"},
        ),
        (
            FORBIDDEN + "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
            "admission_denied",
            {"words": "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000"},
        ),
        (QUOTA, "namespace_quota", {"what": "pods", "asked": "1", "used": "5", "limit": "5"}),
        (
            FORBIDDEN
            + "exceeded quota: q, requested: limits.cpu=2,limits.memory=2Gi, used: limits.cpu=7,limits.memory=9Gi,"
            " limited: limits.cpu=8,limits.memory=10Gi",
            "namespace_quota",
            {"what": "cpu", "asked": "2", "used": "7", "limit": "8"},
        ),
        (
            FORBIDDEN + "exceeded quota: q, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=2,"
            " limited: requests.nvidia.com/gpu=2",
            "namespace_quota",
            {"what": "requests.nvidia.com/gpu", "asked": "1", "used": "2", "limit": "2"},
        ),
        (
            FORBIDDEN + "failed quota: q: must specify limits.cpu",
            "admission_denied",
            {"words": "failed quota: q: must specify limits.cpu"},
        ),
        (
            SECURITY,
            "admission_denied",
            {"words": 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'},
        ),
        (WEBHOOK, "admission_denied", {"words": "no images from there"}),
        (WEBHOOK + "\n" + "x" * 999, "admission_denied", {"words": "no images from there " + "x" * 279}),
        (PRIORITY, "admission_denied", {"words": "no PriorityClass with name desktops was found"}),
        (RBAC, "cluster_forbids", {}),
    ],
)
def test_what_an_admission_refusal_says(message, reason, facts):
    raised = fault(ApiRefused(403, {"message": message}))
    assert (raised.reason, raised.facts) == (reason, facts)


def test_a_namespace_that_is_missing():
    raised = fault(ApiRefused(404, {"reason": "NotFound", "details": {"kind": "namespaces", "name": "here"}}))
    assert isinstance(raised, RuntimeFault)
    assert (raised.reason, raised.permanent) == ("namespace_missing", True)


@pytest.mark.parametrize(("status", "refused"), [(401, True), (403, True), (404, True), (500, False)])
def test_a_refused_read_is_not_an_unavailable_cluster(status, refused):
    with pytest.raises(RuntimeUnknown) as raised, reading():
        raise ApiRefused(status, {"message": "pods is forbidden"})
    assert raised.value.refused is refused
