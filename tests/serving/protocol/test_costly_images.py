"""Images that cost far more than their bytes and pixels suggest never delay others."""

import base64
import json
import threading
import time

import pytest

from forebay.serving.admission.limits import ServerLimits
from forebay.serving.admission.memory_budget import MemoryBudgets
from forebay.serving.admission.memory_reservation import MemoryReservation
from forebay.serving.admission.remote_client import ClientDisconnectedError, DisconnectEvent, RemoteClient
from forebay.serving.protocol.image_files import decode_image_files
from forebay.serving.rejection import RequestRejectedError
from support.costly_images import chunk, many_scans, png
from support.machine_speed import slowness
from support.tiny_inference_server import RunningServer

GREY = "/v1/models/grey:predict"
SCANS = many_scans(6250, 8000, 26_600)  # 266 kB; two of them stopped inference for 48 s
SMALL = {"instances": [[[0] * 8] * 8]}


def test_two_jpegs_of_thousands_of_scans_never_hold_up_a_small_request(server: RunningServer) -> None:
    assert len(SCANS) < 267_000
    answers: list[tuple[int, float]] = []
    patience_s = 3 * slowness()
    stop = threading.Event()

    def attack() -> None:
        while not stop.is_set():
            began = time.monotonic()
            reply = server.post(GREY, SCANS, {"Content-Type": "image/jpeg"})
            answers.append((reply.status, time.monotonic() - began))
            assert "too_costly: a JPEG whose scans walk over its 6250x8000 pixels" in reply.json["error"]

    attackers = [threading.Thread(target=attack) for _ in range(2)]
    for attacker in attackers:
        attacker.start()
    try:
        for _ in range(10):
            began = time.monotonic()
            assert server.predict("grey", SMALL["instances"])[0]["model_version"] == "7"
            assert time.monotonic() - began < patience_s
    finally:
        stop.set()
        for attacker in attackers:
            attacker.join(60)
    assert len(answers) >= 2
    assert {status for status, _ in answers} == {400}
    assert max(seconds for _, seconds in answers) < patience_s


def test_one_costly_image_of_many_is_named(server: RunningServer) -> None:
    files = [png(b""), png(chunk(b"abCd", b"") * 30_000), many_scans(64, 64, 101), png(b"")]
    body = {"instances": [{"b64": base64.b64encode(file).decode()} for file in files]}
    reply = server.post(GREY, json.dumps(body).encode())
    assert reply.status == 400
    assert "instances[2]: expected a PNG or JPEG file" in reply.json["error"]
    assert "too_costly: a JPEG of more than 100 scans, which is as many as are decoded" in reply.json["error"]


class _DisconnectAfter(DisconnectEvent):
    """Is set after it was read so many times."""

    def __init__(self, reads: int) -> None:
        self.reads = 0
        self._limit = reads
        super().__init__()

    @property
    def is_set(self) -> bool:
        self.reads += 1
        return self.reads > self._limit

    @is_set.setter
    def is_set(self, value: bool) -> None:
        """Only reads count."""


@pytest.mark.parametrize("file", [png(b""), many_scans(1000, 1000, 24)])
def test_nothing_more_is_decoded_for_a_client_that_is_gone(file: bytes) -> None:
    disconnect = _DisconnectAfter(20)  # the first needs one read each, the second one for each scan
    reservation = MemoryReservation(MemoryBudgets(ServerLimits), RemoteClient(disconnect=disconnect))
    with pytest.raises(ClientDisconnectedError):
        decode_image_files([file] * 30, (8, 8, 1), "instances", reservation=reservation)
    assert disconnect.reads == 21


def test_all_images_of_a_request_share_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forebay.images.decode_budget.time.thread_time", iter(range(1000)).__next__)
    said = r"instances\[10\].*too_costly: decoding was stopped after 10 s of a core"
    with pytest.raises(RequestRejectedError, match=said):
        decode_image_files([png(b"")] * 100, (8, 8, 1), "instances")
