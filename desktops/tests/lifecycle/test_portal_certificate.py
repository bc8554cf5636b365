"""The end of the portal's certificate is read from a real TLS server, whoever signed it."""

import ssl
import subprocess
import threading
import time
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest

from desktops.lifecycle.portal_certificate import PortalCertificate, read_expiry
from desktops.tests.support.runtime_specs import until
from tests.support.running_podesk import free_port

DAYS = 20


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """Yield the port of a TLS server with a certificate of its own that ends in 20 days."""
    folder = tmp_path_factory.mktemp("tls")
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other", "-days", str(DAYS)]
    subprocess.run(
        ["openssl", "req", "-x509", *made, "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    class Server(ThreadingTCPServer):
        def get_request(self):
            line, address = super().get_request()
            return context.wrap_socket(line, server_side=True), address

    with Server(("127.0.0.1", 0), BaseRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_read(port):
    assert abs(read_expiry("127.0.0.1", port) - time.time() - DAYS * 86400) < 600


def test_of_the_public_address(port, settings):
    settings.PUBLIC_URL = f"https://127.0.0.1:{port}"
    certificate = PortalCertificate()
    until(certificate.expires_at, what="the certificate to be read")


def test_without_https(port, settings):
    settings.PUBLIC_URL = f"http://127.0.0.1:{port}"
    assert PortalCertificate().expires_at() is None


def test_not_reachable():
    with pytest.raises(OSError, match="refused"):
        read_expiry("127.0.0.1", free_port())


def test_something_else_answers():
    with ThreadingTCPServer(("127.0.0.1", 0), BaseRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(OSError, match=r"EOF|reset"):
            read_expiry("127.0.0.1", server.server_address[1])
        server.shutdown()
