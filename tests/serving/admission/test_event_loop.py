"""Which requests are answered in the event loop, where handing one to a thread would cost more than its answer."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from forebay.models import load_bundle
from forebay.serving.admission.control import LOOP_ANSWERS, AdmissionControl
from forebay.serving.admission.memory_reservation import MemoryReservation
from forebay.serving.admission.remote_client import RemoteClient
from forebay.serving.example import encode_png
from forebay.serving.protocol.image_files import decode_image_files
from forebay.serving.repository.served_model import LOOP_S, ServedModel
from forebay.serving.repository.verify_predictions import verify_predictions
from forebay.serving.state import DesiredModel
from support.tiny_inference_server import write_bundle

Work = Callable[[MemoryReservation], int]


def _threads(requests: int, loop_images: int, work: Work = lambda _: threading.get_ident()) -> list[int]:
    """The threads in which so many requests are answered that arrive in one turn of the event loop."""

    async def ask() -> list[int]:
        control = AdmissionControl()

        async def one() -> int:
            with MemoryReservation(control.budgets, RemoteClient()) as reservation:
                reservation.loop_images = loop_images
                return await control.run(reservation, lambda: work(reservation))

        try:
            return await asyncio.gather(*(one() for _ in range(requests)))
        finally:
            control.close()

    return asyncio.run(ask())


def test_a_few_cheap_requests_are_answered_at_once_and_more_wait_for_their_turn() -> None:
    here = threading.get_ident()
    threads = _threads(LOOP_ANSWERS + 3, loop_images=1)
    assert threads[:LOOP_ANSWERS] == [here] * LOOP_ANSWERS
    assert here not in threads[LOOP_ANSWERS:]


def test_requests_of_a_dear_model_are_answered_in_threads() -> None:
    assert threading.get_ident() not in _threads(3, loop_images=0)


@pytest.mark.parametrize(("images", "in_loop"), [(2, True), (3, False)])
def test_no_more_images_than_are_cheap_are_predicted_in_the_loop(images: int, in_loop: bool) -> None:
    def predict(reservation: MemoryReservation) -> int:
        reservation.check_image_count(images, 8, 8)
        return threading.get_ident()

    assert (_threads(1, loop_images=2, work=predict) == [threading.get_ident()]) is in_loop


def test_an_image_file_is_never_decoded_in_the_loop() -> None:
    png = encode_png(np.zeros((8, 8, 1), np.uint8))

    def decode(reservation: MemoryReservation) -> int:
        assert decode_image_files([png], (8, 8, 1), "body", reservation=reservation).shape == (1, 8, 8, 1)
        return threading.get_ident()

    assert _threads(1, loop_images=5, work=decode) != [threading.get_ident()]


def test_a_model_is_measured_when_it_is_loaded(tmp_path: Path) -> None:
    write_bundle(tmp_path / "tiny", seed=1)
    classifier = load_bundle(tmp_path / "tiny")
    desired = DesiredModel(bundle=str(tmp_path / "tiny"), version="1", weights_sha256="")
    assert ServedModel("tiny", desired, classifier).loop_images == 0  # nobody has measured it yet
    verify_predictions(classifier, "tiny")
    assert classifier.image_s > 0
    classifier.image_s = LOOP_S / 3.5
    assert ServedModel("tiny", desired, classifier).loop_images == 3
    classifier.image_s = 2 * LOOP_S
    assert ServedModel("tiny", desired, classifier).loop_images == 0
    assert np.isfinite(classifier.image_s)
