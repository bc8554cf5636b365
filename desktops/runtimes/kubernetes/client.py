"""HTTP calls to a cluster's API, with credentials, deadlines and retries. Does not know desktops."""

import json
import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
import urllib3
from kubernetes import config
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from desktops.runtimes.base import Deadline, RuntimeUnknown
from desktops.runtimes.kubernetes import metrics

log = structlog.get_logger("podesk.kubernetes")
# Limit of one HTTP call; the deadline limits one operation. The API itself waits 10 s for an admission webhook.
CALL_SECONDS = 12.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between two attempts
_PASSING = (429, 500, 502, 503, 504)
_UNAUTHORIZED = 401
WEBHOOK_AWAY = "failed calling webhook"  # from the API's message
# The API passes on the status that a webhook chooses. Many use 500 when they deny because of an error of their own.
_WEBHOOKS = (WEBHOOK_AWAY, "denied the request")
_WEBHOOK_TRIES = 2  # a webhook fails either for a moment or for long
_VERBS = {"POST": "create", "PUT": "update"}
NO_ANSWER = (HTTPError, OSError, config.ConfigException)  # the last one: a token file that is being renewed
# Detects a lost node after about 35 s, even on a watch without traffic.
_KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


class ApiRefused(Exception):
    """The API refused a call. `status` is the HTTP status; the other fields come from the API's Status object.

    `wait` is the Retry-After value in seconds.
    """

    def __init__(self, status: int, body: dict[str, Any], wait: float = 0) -> None:
        self.status, self.wait = status, wait
        self.reason: str = body.get("reason") or ""
        self.message: str = body.get("message") or ""
        self.details: dict[str, Any] = body.get("details") or {}
        super().__init__(f"{status} {self.reason}: {self.message}")

    @property
    def is_by_webhook(self) -> bool:
        return any(words in self.message for words in _WEBHOOKS)


@dataclass(frozen=True)
class ApiRequest:
    method: str
    path: str
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | None = field(default=None, repr=False)  # may contain a secret

    @property
    def headers(self) -> dict[str, str]:
        content = "application/merge-patch+json" if self.method == "PATCH" else "application/json"
        return {"Accept": "application/json", "Content-Type": content, "User-Agent": "podesk"}

    @property
    def kind(self) -> str:
        """Return the kind in `/api/v1/namespaces/<namespace>/<kind>/<name>` or `/api/v1/<kind>`."""
        parts = self._parts
        return parts[1] if len(parts) > 1 else self.path

    @property
    def verb(self) -> str:
        """Return the verb by which Kubernetes grants rights."""
        if self.method != "GET":
            return _VERBS.get(self.method, self.method.lower())
        return "watch" if "watch" in self.query else "get" if len(self._parts) > 2 else "list"

    @property
    def _parts(self) -> list[str]:
        """Return namespace, kind and name. The namespace is empty for a kind without one, such as a node."""
        _, found, inside = self.path.partition("/namespaces/")
        return inside.split("/") if found else ["", *self.path.split("/")[3:]]


class _TemporaryError(Exception):
    """A call failed in a way that a retry may solve. `wait`: seconds that the API asks for."""

    def __init__(self, why: str, wait: float = 0, refused: ApiRefused | None = None) -> None:
        super().__init__(why)
        self.wait, self.refused = wait, refused


class ApiClient:
    """A client for one cluster, safe for use by many threads. Reads its configuration at the first call.

    Takes and returns dicts, because the typed models of a client version reject objects of other server versions.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()  # by method and kind of path, for tests and benchmarks
        self._lock = threading.Lock()
        self._connection: tuple[Configuration, urllib3.PoolManager] | None = None

    def call(self, request: ApiRequest, deadline: Deadline, parse: Callable[[bytes], Any] = json.loads) -> Any:
        """Return the parsed answer. Raises ApiRefused, or RuntimeUnknown if there is no answer before the deadline."""
        tries = 0
        while True:
            tries += 1
            try:
                return self._try(request, deadline, parse)
            except _TemporaryError as error:
                if tries >= _WEBHOOK_TRIES and error.refused and error.refused.is_by_webhook:
                    raise error.refused from error
                longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2**tries)
                pause = max(error.wait, random.uniform(FIRST_PAUSE / 2, longest))
                if pause >= deadline.remaining:
                    raise RuntimeUnknown(f"{request.method} {request.path}: {error} ({tries} tries)") from error
                log.info("cluster_call_repeated", method=request.method, path=request.path, why=str(error))
                time.sleep(pause)

    def stream(self, request: ApiRequest, seconds: float) -> urllib3.BaseHTTPResponse:
        """Return a streaming answer that lasts for `seconds`.

        The caller reads and closes it. Raises ApiRefused, RuntimeUnknown.
        """
        try:
            response = self._send(request, seconds, preload_content=False)
            if response.status == 200:
                return response
            body = response.read()
        except NO_ANSWER as error:
            raise RuntimeUnknown(f"{request.method} {request.path}: {error}") from error
        if response.status == _UNAUTHORIZED:
            self._forget()
        raise ApiRefused(response.status, _status(body), _retry_after(response))

    # --- one try ----------------------------------------------------------------------------------------------------

    def _try(self, request: ApiRequest, deadline: Deadline, parse: Callable[[bytes], Any]) -> Any:
        response = self._answer(request, deadline)
        if response.status == _UNAUTHORIZED:  # the token may have been renewed meanwhile
            self._forget()
            response = self._answer(request, deadline)
        if response.status in _PASSING:
            refused = ApiRefused(response.status, _status(response.data))
            raise _TemporaryError(f"{refused.status} {refused.message}", _retry_after(response), refused)
        if not 200 <= response.status < 300:
            raise ApiRefused(response.status, _status(response.data))
        try:
            return parse(response.data)
        except ValueError as error:
            raise _TemporaryError(f"invalid answer: {error}") from error

    def _answer(self, request: ApiRequest, deadline: Deadline) -> urllib3.BaseHTTPResponse:
        if not deadline.remaining:
            raise RuntimeUnknown(f"{request.method} {request.path}: no time left")
        try:
            return self._send(request, min(CALL_SECONDS, deadline.remaining))
        except NO_ANSWER as error:
            raise _TemporaryError(str(error)) from error

    def _send(self, request: ApiRequest, seconds: float, *, preload_content: bool = True) -> urllib3.BaseHTTPResponse:
        """Send one HTTP request and measure it. Everything else in this class builds on it."""
        began, code = time.monotonic(), "none"
        self.calls[f"{request.method} {request.kind}"] += 1
        try:
            response = self._exchange(request, seconds, preload_content=preload_content)
            code = str(response.status)
        finally:
            took = time.monotonic() - began
            metrics.count_call(request.verb, request.kind, code, took)
        milliseconds = round(took * 1000, 1)
        log.debug(
            "cluster_call", method=request.method, kind=request.kind, status=response.status, milliseconds=milliseconds
        )
        return response

    def _exchange(self, request: ApiRequest, seconds: float, *, preload_content: bool) -> urllib3.BaseHTTPResponse:
        configuration, pool = self._connected()
        auth = configuration.auth_settings().get("BearerToken")  # also re-reads a pod's renewed token
        headers = request.headers | ({auth["key"]: auth["value"]} if auth else {})
        return pool.request(
            request.method,
            configuration.host + request.path,
            fields=request.query if request.body is None else None,
            body=None if request.body is None else json.dumps(request.body).encode(),
            headers=headers,
            timeout=urllib3.Timeout(connect=min(CALL_SECONDS, seconds), read=seconds),
            retries=False,
            redirect=False,
            preload_content=preload_content,
        )

    # --- credentials ------------------------------------------------------------------------------------------------

    def _connected(self) -> tuple[Configuration, urllib3.PoolManager]:
        with self._lock:
            if self._connection is None:
                configuration = _configuration()
                pool = RESTClientObject(configuration).pool_manager
                pool.connection_pool_kw["socket_options"] = (*HTTPConnection.default_socket_options, *_KEEP_ALIVE)
                self._connection = configuration, pool
            return self._connection

    def _forget(self) -> None:
        with self._lock:
            self._connection = None


def _configuration() -> Configuration:
    """Load $KUBECONFIG, else a pod's service account, else kubectl's configuration. Raises RuntimeUnknown."""
    configuration = Configuration()
    configuration.connection_pool_maxsize = 16
    try:
        if file := os.environ.get("KUBECONFIG"):
            config.load_kube_config(file, client_configuration=configuration, persist_config=False)
            return configuration
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            config.load_kube_config(client_configuration=configuration, persist_config=False)
    except Exception as error:  # a broken file can raise almost any exception
        raise RuntimeUnknown(
            f"cannot use the cluster's configuration; set KUBECONFIG to a working file: {type(error).__name__}: {error}"
        ) from error
    return configuration


def _status(body: bytes) -> dict[str, Any]:
    try:
        status = json.loads(body)
    except ValueError:
        status = None
    return status if isinstance(status, dict) else {"message": body[:500].decode(errors="replace")}


def _retry_after(response: urllib3.BaseHTTPResponse) -> float:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else 0.0
