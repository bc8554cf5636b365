"""Look at the certificate that browsers get from the portal's public address."""

import socket
import ssl
import time
from threading import Thread
from urllib.parse import urlsplit

import structlog
from cryptography import x509
from django.conf import settings

log = structlog.get_logger("podesk.certificate")
_EVERY = 3600.0  # seconds between two looks
_TIMEOUT = 5.0  # seconds for a connection and for the handshake


class PortalCertificate:
    """Reads the end of the certificate every hour, in a thread, because names may resolve slowly."""

    def __init__(self) -> None:
        self._looked_at = float("-inf")  # time.monotonic()
        self._expires_at: float | None = None

    def expires_at(self) -> float | None:
        """Return the Unix time at which it ends, as last seen. None: no HTTPS, or not reachable from here."""
        url = urlsplit(settings.PUBLIC_URL)
        if url.scheme != "https" or not url.hostname:
            return None
        if time.monotonic() - self._looked_at >= _EVERY:
            self._looked_at = time.monotonic()
            Thread(target=self._look, args=(url.hostname, url.port or 443), daemon=True).start()
        return self._expires_at

    def _look(self, host: str, port: int) -> None:
        self._expires_at = None
        try:
            self._expires_at = read_expiry(host, port)
        except (OSError, ValueError) as error:
            log.info("certificate_not_read", host=host, port=port, error=str(error))


shared = PortalCertificate()  # of this process


def read_expiry(host: str, port: int) -> float:
    """Return the Unix time at which the certificate of this address ends. Raises OSError, ValueError."""
    # Nothing is sent, so no one needs to be trusted; expired and private certificates are read too.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, port), _TIMEOUT) as line,
        context.wrap_socket(line, server_hostname=host) as tls,
    ):
        certificate = tls.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(certificate or b"").not_valid_after_utc.timestamp()
