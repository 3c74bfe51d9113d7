"""An HTTP server of a test's own, on a free port of loopback, for as long as a block lasts."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class QuietHandler(BaseHTTPRequestHandler):
    """Writes no line for each request, and answers in one call."""

    def send(self, code: int, body: bytes, kind: str = "application/json") -> None:
        """Answer with a status and a body."""
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(handler: type[QuietHandler], certificate: ssl.SSLContext | None = None) -> Iterator[str]:
    """Run a server, with TLS where it has a certificate; gives its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if certificate:
        # Each connection greets in its own thread: one that a client left half made would else hold up the others.
        server.socket = certificate.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(url: str) -> dict[str, Any]:
    """By which a client finds an API server there."""
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "not-a-secret"}}],
    }  # fmt: skip
