"""A real MLflow server on loopback that hands out artifacts itself."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READY_S = 400  # ten seconds as a rule; a loaded or slow machine took more than 120


@contextmanager
def mlflow_server(database: Path, store: Path) -> Iterator[str]:
    """Run one for as long as the block lasts; gives its URL.

    Args:
        database: sqlite file, migrated already.
        store: folder of artifacts, made here.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{database}",
         "--artifacts-destination", str(store), "--port", str(port), "--workers", "1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(url, process)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its workers too; nothing in it is worth a graceful end
        process.wait()


def _wait_until_healthy(url: str, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        assert process.poll() is None, "the MLflow server ended"
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"no MLflow server after {READY_S} s")
