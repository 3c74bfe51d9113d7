"""`python -m benchmarks.load`: a constant rate of requests against a server, and how long their answers take.

Requests leave at fixed times whether or not earlier ones were answered, and a latency counts from the time at which its
request should have left: a server that stalls is not asked less. The client has a core of its own, the server the
others.
"""

import argparse
import asyncio
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import uvloop

from benchmarks.machine import facts
from benchmarks.serving import BenchmarkRequest, Comparison, requests_of, running_server

MODEL = Comparison("28x28", (28, 28, 1), "lenet5", 0)
FORM = "binary"
CONNECTIONS = 64
WARM_UP_S = 5
SAMPLE_S = 1.0
TIMEOUT_S = 30


@dataclass
class Load:
    """What came back so far."""

    latencies_s: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    rss_mib: list[float] = field(default_factory=list)

    def count_error(self, kind: str) -> None:
        """Count a request that was not answered with 200."""
        self.errors[kind] = self.errors.get(kind, 0) + 1


class Client:
    """Sends one request over and over, each time over a connection that is free."""

    def __init__(self, port: int, request: BenchmarkRequest, load: Load) -> None:
        headers = {"Host": "localhost", "Content-Length": str(len(request.body)), **request.headers}
        head = [f"POST {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self._bytes = "\r\n".join([*head, "", ""]).encode() + request.body
        self._port = port
        self._load = load
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._room = asyncio.Semaphore(CONNECTIONS)

    async def run(self, rate: float, seconds: float) -> None:
        """Send for so long, then wait for what is still on its way."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with asyncio.TaskGroup() as sent:
            for number in range(round(rate * seconds)):
                due = start + number / rate
                if (early := due - loop.time()) > 0:
                    await asyncio.sleep(early)
                sent.create_task(self._send(due))

    async def _send(self, due: float) -> None:
        try:
            async with self._room, asyncio.timeout(TIMEOUT_S):
                status = await self._exchange()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            self._load.count_error(type(error).__name__)
            return
        if status == b"200":
            self._load.latencies_s.append(asyncio.get_running_loop().time() - due)
        else:
            self._load.count_error(status.decode())

    async def _exchange(self) -> bytes:
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(self._bytes)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        self._free.append((reader, writer))
        return head.split(b" ", 2)[1]


def main() -> int:
    """Load a server and print what came back; exit code 1 where a request was not answered."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--rate", type=float, default=500.0, help="requests per second (default %(default)s)")
    parser.add_argument("--minutes", type=float, default=10.0, help="(default %(default)s)")
    arguments = parser.parse_args()
    request, load = requests_of(MODEL)[FORM], Load()
    with running_server("forebay", MODEL) as (pid, port):
        _share_cores(pid)
        _run(Client(port, request, Load()), arguments.rate, WARM_UP_S)
        ended = threading.Event()
        watcher = threading.Thread(target=_watch_memory, args=(pid, load, ended))
        watcher.start()
        try:
            _run(Client(port, request, load), arguments.rate, 60 * arguments.minutes)
        finally:
            ended.set()
            watcher.join()
    _print(load, arguments.rate)
    return 1 if load.errors else 0


def _run(client: Client, rate: float, seconds: float) -> None:
    uvloop.run(client.run(rate, seconds))


def _share_cores(pid: int) -> None:
    """The last core for this process, the others for the server; with a single core both share it."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, cores[-1:])
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores[:-1])


def _watch_memory(pid: int, load: Load, ended: threading.Event) -> None:
    status = Path(f"/proc/{pid}/status")
    while not ended.wait(SAMPLE_S):
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
        load.rss_mib.append(int(line.split()[1]) / 1024)


def _print(load: Load, rate: float) -> None:
    machine = facts()
    print(
        f"{machine['processor']}, {machine['cores']} cores; {MODEL.model}, {MODEL.size}, {FORM}, {time.strftime('%F')}"
    )
    milliseconds = np.array(load.latencies_s) * 1000
    answered = f"{len(milliseconds):,} answers at {rate:g} a second"
    if not len(milliseconds):
        print(f"{answered}, {load.errors}")
        return
    p50, p99, p999 = np.percentile(milliseconds, [50, 99, 99.9])
    errors = ", ".join(f"{count} {kind}" for kind, count in sorted(load.errors.items())) or "0"
    print(f"{answered}; errors {errors}")
    print(f"latency: p50 {p50:.2f} ms, p99 {p99:.2f}, p99.9 {p999:.2f}, largest {milliseconds.max():.2f}")
    if load.rss_mib:
        tenth = max(len(load.rss_mib) // 10, 1)
        first, last = np.median(load.rss_mib[:tenth]), np.median(load.rss_mib[-tenth:])
        most = max(load.rss_mib)
        print(f"server's memory: {first:.1f} MiB in the first tenth, {last:.1f} in the last, {most:.1f} at most")


if __name__ == "__main__":
    sys.exit(main())
