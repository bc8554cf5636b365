"""A real nginx in front of a running portal and its desktops, configured as ingress-nginx writes it for
desktops.runtimes.manifests: the annotations auth-url, auth-signin and rewrite-target, TLS, WebSockets."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import log_hygiene
from tests.whole import wait_for

ASKS_AS = "podesk-web.vnc-system.svc.cluster.local"  # default of DESKTOP_INGRESS_AUTH_URL

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
    }}
    location ~* "^/direct/(?<desktop>[0-9a-f-]+)(/|$)(.*)" {{
      auth_request /_external-auth;
      error_page 401 = @signin;
      rewrite "(?i)/direct/[0-9a-f-]+(/|$)(.*)" /$2 break;
      proxy_pass http://127.0.0.1:{desktop};
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_buffering off;
    }}
    location = /_external-auth {{
      internal;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header X-Forwarded-Proto "";
      proxy_set_header Host {asks_as};
      proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
      proxy_set_header X-Original-Method $request_method;
      proxy_set_header X-Auth-Request-Redirect $request_uri;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_pass http://127.0.0.1:{portal}/desktops/$desktop/gate/;
    }}
    location @signin {{
      return 302 /accounts/login/?next=/desktops/$desktop/&rd=$scheme://$http_host$request_uri;
    }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, *, port: int, portal: int, desktop: int) -> Iterator[None]:
    """Listens on `port`, with TLS; `portal` and `desktop` are the ports behind it."""
    folder.mkdir()
    text = CONFIGURATION.format(port=port, portal=portal, desktop=desktop, asks_as=ASKS_AS)
    (folder / "nginx.conf").write_text(text)
    certificate = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run(
        ["openssl", "req", "-x509", *certificate, "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    server = subprocess.Popen(["/usr/sbin/nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"])
    try:
        wait_for((folder / "nginx.pid").exists)
        yield
    finally:
        server.terminate()
        server.wait(10)
        log_hygiene.read(folder / "error.log", folder / "access.log")


@contextmanager
def novnc(web: Path, *, port: int, address: str) -> Iterator[None]:
    """What runs in a desktop's pod beside its X server: websockify with the folder of noVNC."""
    command = ["-m", "websockify", "--web", str(web), f"--unix-target={address}", f"127.0.0.1:{port}"]
    server = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: listens(port))
        yield
    finally:
        server.terminate()
        server.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
