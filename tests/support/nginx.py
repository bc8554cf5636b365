"""A real nginx in front of a running portal and its desktops.

Its configuration for a desktop is made from the Ingress that the desktop has in a cluster, as ingress-nginx does it.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support import log_secrets
from tests.support.running_podesk import wait_for

PREFIX = "nginx.ingress.kubernetes.io/"

CONFIGURATION = """
daemon off; master_process off; pid nginx.pid; error_log error.log;
events {{}}
http {{
  access_log access.log;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate cert.pem; ssl_certificate_key key.pem;
    proxy_http_version 1.1;
    location / {{
      proxy_pass http://127.0.0.1:{portal};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
    include *.location;
  }}
}}
"""

LOCATION = """
location ~* "^{path}" {{
  auth_request /_external-auth-{name};
  error_page 401 = @signin-{name};
  rewrite "(?i){path}" {rewrite_target} break;
  proxy_pass http://127.0.0.1:{backend};
  proxy_set_header Host $http_host;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection $connection_upgrade;
  proxy_read_timeout {proxy_read_timeout}s;
  proxy_send_timeout {proxy_send_timeout}s;
  proxy_buffering {proxy_buffering};
}}
location = /_external-auth-{name} {{
  internal;
  proxy_pass_request_body off;
  proxy_set_header Content-Length "";
  proxy_set_header X-Forwarded-Proto "";
  proxy_set_header Host {asks_as};
  proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
  proxy_set_header X-Original-Method $request_method;
  proxy_set_header X-Auth-Request-Redirect $request_uri;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_pass http://127.0.0.1:{portal}{asks};
}}
location @signin-{name} {{
  return 302 {auth_signin}&rd=$scheme://$http_host$request_uri;
}}
"""


class Nginx:
    """Serves the portal and the desktops of `show` on `port`, with TLS."""

    def __init__(self, folder: Path, *, port: int, portal: int) -> None:
        self._folder, self._portal = folder, portal
        folder.mkdir()
        (folder / "nginx.conf").write_text(CONFIGURATION.format(port=port, portal=portal))
        certificate = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"]
        subprocess.run(
            ["openssl", "req", "-x509", *certificate, "-keyout", "key.pem", "-out", "cert.pem"],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        self._start()

    def show(self, ingress: dict[str, Any], ports: dict[int, int]) -> None:
        """Serve a desktop from now on. `ports`: for each port of its Service, the port on this machine."""
        name = ingress["metadata"]["name"]
        (self._folder / f"{name}.location").write_text(location(ingress, ports, self._portal))
        self.stop()
        self._start()

    def stop(self) -> None:
        self._server.terminate()
        self._server.wait(10)
        log_secrets.read(self._folder / "error.log", self._folder / "access.log")

    def _start(self) -> None:
        command = ["/usr/sbin/nginx", "-p", str(self._folder), "-c", "nginx.conf", "-e", "error.log"]
        (self._folder / "nginx.pid").unlink(missing_ok=True)
        self._server = subprocess.Popen(command)
        wait_for((self._folder / "nginx.pid").exists)


def location(ingress: dict[str, Any], ports: dict[int, int], portal: int) -> str:
    """Return the nginx configuration for an Ingress. Fail on an unknown annotation."""
    [rule] = ingress["spec"]["rules"]
    [path] = rule["http"]["paths"]
    every = ingress["metadata"]["annotations"].items()
    wanted = {key.removeprefix(PREFIX).replace("-", "_"): value for key, value in every if key.startswith(PREFIX)}
    assert wanted.pop("use_regex") == "true"  # otherwise nginx would take the path literally
    assert wanted.pop("force_ssl_redirect") == "true"  # this nginx uses TLS only
    asks = urlsplit(wanted.pop("auth_url"))
    assert set(wanted) == {
        *("rewrite_target", "auth_signin"),
        *("proxy_read_timeout", "proxy_send_timeout", "proxy_buffering"),
    }
    return LOCATION.format(
        name=ingress["metadata"]["name"],
        path=path["path"],
        backend=ports[path["backend"]["service"]["port"]["number"]],
        portal=portal,
        asks_as=asks.netloc,
        asks=asks.path,
        **wanted,
    )


@contextmanager
def nginx(folder: Path, *, port: int, portal: int) -> Iterator[Nginx]:
    front = Nginx(folder, port=port, portal=portal)
    try:
        yield front
    finally:
        front.stop()


@contextmanager
def novnc(web: Path, *, port: int, address: str) -> Iterator[None]:
    """Run websockify with the folder of noVNC, as a desktop's pod does beside its X server."""
    command = ["-m", "websockify", "--web", str(web), f"--unix-target={address}", f"127.0.0.1:{port}"]
    server = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: listens(port))
        yield
    finally:
        server.terminate()
        server.wait(10)


def listens(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((host, port)) == 0
