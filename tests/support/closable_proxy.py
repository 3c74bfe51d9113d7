"""A door in front of a server on loopback that a test, or a process that it started, closes and opens again."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

OPEN, HELD, SHUT = b"o", b"h", b"s"  # answers; takes connections and answers nothing; takes none


@dataclass(frozen=True)
class Gate:
    """The address in front, and the one that takes orders."""

    url: str
    orders: int  # port

    def __call__(self, order: bytes) -> None:
        """Open, hold or shut; done when this returns."""
        with socket.create_connection(("127.0.0.1", self.orders)) as sent:
            sent.sendall(order)
            assert sent.recv(1) == order

    def away(self, order: bytes, seconds: float | None) -> "Outage":
        """An outage that begins when it is called."""
        return Outage(self, order, seconds)


@dataclass(frozen=True)
class Outage:
    """Begins when it is called, in any process, and ends by itself where that was asked for."""

    gate: Gate
    order: bytes
    seconds: float | None

    def __call__(self) -> None:
        self.gate(self.order)
        if self.seconds is not None:
            threading.Thread(target=self._end, args=(self.seconds,), daemon=True).start()

    def _end(self, seconds: float) -> None:
        time.sleep(seconds)  # how long the server is away is what the test is about
        self.gate(OPEN)


@contextlib.contextmanager
def gate_before(url: str) -> Iterator[Gate]:
    """A door in front of the server of this URL."""
    parts = urlsplit(url)
    door = _Door((str(parts.hostname), int(parts.port or 80)))
    thread = threading.Thread(target=door.serve, daemon=True, name="gate")
    thread.start()
    gate = Gate(f"http://127.0.0.1:{door.port}", door.orders.getsockname()[1])
    try:
        yield gate
    finally:
        gate(SHUT)
        door.ended = True
        with contextlib.suppress(OSError, AssertionError):
            gate(SHUT)
        thread.join()


class _Door:
    """One thread that moves bytes between pairs of sockets."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.server = server
        self.orders = socket.create_server(("127.0.0.1", 0))
        self.front: socket.socket | None = socket.create_server(("127.0.0.1", 0))
        self.port = self.front.getsockname()[1]
        self.other: dict[socket.socket, socket.socket] = {}
        self.held: list[socket.socket] = []
        self.state = OPEN
        self.ended = False

    def serve(self) -> None:
        with selectors.DefaultSelector() as self.selector:
            self.selector.register(self.orders, selectors.EVENT_READ)
            self._register_front()
            while not self.ended:
                for key, _ in self.selector.select():
                    self._ready(key.fileobj)  # type: ignore[arg-type]
        self.orders.close()

    def _ready(self, sock: socket.socket) -> None:
        if sock is self.orders:
            self._obey()
        elif sock is self.front:
            accepted, _ = sock.accept()
            self.held.append(accepted) if self.state == HELD else self._connect(accepted)
        elif sock in self.other:
            self._move(sock)

    def _obey(self) -> None:
        sender, _ = self.orders.accept()
        with sender:
            order = sender.recv(1)
            self._change(order)
            sender.sendall(order)

    def _change(self, order: bytes) -> None:
        if order == SHUT and self.front:
            self.selector.unregister(self.front)
            self.front.close()
            self.front = None
            for sock in [*self.other, *self.held]:
                self._drop(sock)
        if order == HELD:
            for sock in self.other:
                with contextlib.suppress(KeyError):
                    self.selector.unregister(sock)
        if order == OPEN:
            self._open()
        self.state = order

    def _open(self) -> None:
        if not self.front:
            self.front = socket.create_server(("127.0.0.1", self.port))
            self._register_front()
        if self.state == HELD:
            for sock in self.other:
                self.selector.register(sock, selectors.EVENT_READ)
            for sock in self.held:
                self._connect(sock)
            self.held = []

    def _register_front(self) -> None:
        assert self.front
        self.selector.register(self.front, selectors.EVENT_READ)

    def _connect(self, client: socket.socket) -> None:
        server = socket.create_connection(self.server)
        self.other |= {client: server, server: client}
        for sock in (client, server):
            self.selector.register(sock, selectors.EVENT_READ)

    def _move(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(1 << 16)
            if data:
                self.other[sock].sendall(data)
                return
        except OSError:
            pass
        self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        for each in (sock, self.other.pop(sock, None)):
            if each is not None:
                self.other.pop(each, None)
                with contextlib.suppress(KeyError, ValueError):
                    self.selector.unregister(each)
                each.close()
