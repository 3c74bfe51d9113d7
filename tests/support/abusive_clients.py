"""Clients that try to stop a server: they hold connections, send without end, or send a byte now and then."""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator

from support.machine_speed import slowness
from support.tiny_inference_server import RunningServer

MIB = 1 << 20
DRIP_S = 0.2


def connect(server: RunningServer, timeout_s: float = 120) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=timeout_s)


def scaled_timeout(seconds: float) -> float:
    """Seconds that take as long here as `seconds` on an idle machine of usual speed."""
    return seconds * slowness() * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def send_long_header(server: RunningServer, size: int) -> bytes:
    """Send one header of so many bytes, as far as the server reads it; returns the response."""
    with connect(server) as client:
        with contextlib.suppress(OSError):
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
            for _ in range(size // MIB):
                client.sendall(b"a" * MIB)
        return read_to_end(client)


def hold_body(server: RunningServer, path: str, size: int) -> bytes:
    """Send a body without its last byte, and wait; returns the response."""
    with connect(server) as client:
        with contextlib.suppress(OSError):
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
            client.sendall(head.encode())
            for _ in range(size // MIB):
                client.sendall(b"0" * min(MIB, size - 1))
        return read_to_end(client)


def read_to_end(client: socket.socket) -> bytes:
    """Everything that the server still sends, until it closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while more := client.recv(65536):
            received += more
    return received


class DrippingClients:
    """Clients that each send a first part, then a byte now and then, until the server closes their connections."""

    def __init__(self, clients: list[socket.socket], drip: bytes) -> None:
        self.clients = clients
        self.received: dict[socket.socket, bytes] = dict.fromkeys(clients, b"")
        self.closed: set[socket.socket] = set()
        self._drip = drip
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def wait_until_closed(self, seconds: float, at_most: int = 0) -> int:
        """How many are still connected, once there are no more than `at_most` of them or the time has passed."""
        end = time.monotonic() + seconds
        while len(self.clients) - len(self.closed) > at_most and time.monotonic() < end:
            self._stop.wait(0.05)
        return len(self.clients) - len(self.closed)

    def _run(self) -> None:
        while not self._stop.wait(DRIP_S):
            left = [client for client in self.clients if client not in self.closed]
            for client in left if self._drip else ():
                with contextlib.suppress(OSError):
                    client.send(self._drip)
            for client in select.select(left, [], [], 0)[0]:
                self._listen(client)

    def _listen(self, client: socket.socket) -> None:
        try:
            more = client.recv(65536)
        except OSError:
            more = b""
        self.received[client] += more
        if not more:
            self.closed.add(client)

    def __enter__(self) -> "DrippingClients":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for client in self.clients:
            client.close()


@contextlib.contextmanager
def dripping_clients(server: RunningServer, count: int, start: bytes, drip: bytes) -> Iterator[DrippingClients]:
    """`count` clients that send `start`, then `drip` again and again; without a `drip` they stay silent."""
    clients = [connect(server) for _ in range(count)]
    for client in clients:
        client.sendall(start)
    with DrippingClients(clients, drip) as dripping:
        yield dripping
