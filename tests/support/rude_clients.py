"""Clients that mean no good: they hold connections, send without end, or a byte now and then."""

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


def patience(seconds: float) -> float:
    """So many seconds of a usual machine that does nothing else."""
    return seconds * slowness() * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def send_head(server: RunningServer, size: int) -> bytes:
    """Send one header of so many bytes, as far as the server takes it; what it says to that."""
    with connect(server) as client:
        with contextlib.suppress(OSError):
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
            for _ in range(size // MIB):
                client.sendall(b"a" * MIB)
        return answer_of(client)


def send_body(server: RunningServer, path: str, size: int) -> bytes:
    """Send a whole body but its last byte, and hold it open; what the server says."""
    with connect(server) as client:
        with contextlib.suppress(OSError):
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
            client.sendall(head.encode())
            for _ in range(size // MIB):
                client.sendall(b"0" * min(MIB, size - 1))
        return answer_of(client)


def answer_of(client: socket.socket) -> bytes:
    """All that the server still sends, until it closes."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while more := client.recv(65536):
            received += more
    return received


class Drippers:
    """Connections that each send a beginning, then a byte now and then, until the server closes them."""

    def __init__(self, clients: list[socket.socket], drip: bytes) -> None:
        self.clients = clients
        self.said: dict[socket.socket, bytes] = dict.fromkeys(clients, b"")
        self.gone: set[socket.socket] = set()
        self._drip = drip
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def wait_until_gone(self, seconds: float, but: int = 0) -> int:
        """How many of them are still connected, once there are no more than `but` or this time has passed."""
        end = time.monotonic() + seconds
        while len(self.clients) - len(self.gone) > but and time.monotonic() < end:
            self._stop.wait(0.05)
        return len(self.clients) - len(self.gone)

    def _run(self) -> None:
        while not self._stop.wait(DRIP_S):
            left = [client for client in self.clients if client not in self.gone]
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
        self.said[client] += more
        if not more:
            self.gone.add(client)

    def __enter__(self) -> "Drippers":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for client in self.clients:
            client.close()


@contextlib.contextmanager
def dripping(server: RunningServer, count: int, start: bytes, drip: bytes) -> Iterator[Drippers]:
    """So many clients that begin with `start` and go on with `drip`; silent ones where that is empty."""
    clients = [connect(server) for _ in range(count)]
    for client in clients:
        client.sendall(start)
    with Drippers(clients, drip) as drippers:
        yield drippers
