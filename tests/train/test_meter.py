"""What a training says of itself between two epochs: smoothed values, speed and time left."""

import pytest
import torch

from forebay.train.loop.meter import DecayingRatio, TrainingMeter


class Clock:
    """A clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def meter(clock: Clock, *, processes: int = 1, steps_per_epoch: int = 10, epochs: int = 3) -> TrainingMeter:
    return TrainingMeter(
        steps_per_epoch=steps_per_epoch, epochs=epochs, batch_rows=20, processes=processes, device="cpu", clock=clock
    )


def add(meter: TrainingMeter, loss: float, hits: int) -> None:
    meter.add(torch.tensor([loss, hits], dtype=torch.float64))


def test_the_first_step_has_loss_and_accuracy_but_no_speed_yet() -> None:
    measuring = meter(Clock())
    measuring.start_epoch()
    add(measuring, 2.3, 5)
    assert measuring.measures(1, 0.1) == {"epoch": 1, "epochs": 3, "loss": 2.3, "accuracy": 0.25, "learning_rate": 0.1}


def test_steps_of_half_a_second_and_a_validation_of_six_give_the_time_that_is_left() -> None:
    clock = Clock()
    measuring = meter(clock)
    for step in range(1, 12):
        if step in (1, 11):
            measuring.start_epoch()
        clock.now += 0.5
        add(measuring, 1.0, 10)
        told = measuring.measures(step, 0.1)
        if step == 10:
            measuring.end_epoch()
            clock.now += 6
    clock.now += 1
    add(measuring, 1.0, 10)
    told = measuring.measures(12, 0.1)
    assert told["epoch"] == 2
    assert told["images_per_s"] == pytest.approx(20 / 0.5, rel=0.1)
    assert told["seconds_left"] == pytest.approx(18 * 0.5 + 2 * 6, rel=0.1)


def test_within_a_second_the_device_is_not_read_again() -> None:
    clock = Clock()
    measuring = meter(clock)
    add(measuring, 4.0, 0)
    assert measuring.measures(1, 0.1)["loss"] == 4.0
    clock.now += 0.9
    add(measuring, 0.0, 20)
    assert measuring.measures(2, 0.1)["loss"] == 4.0
    clock.now += 0.1
    assert measuring.measures(2, 0.1)["loss"] < 2.0


def test_the_part_of_one_of_two_processes_stands_for_both() -> None:
    measuring = meter(Clock(), processes=2)
    add(measuring, 0.6, 4)  # its 10 of 20 rows
    told = measuring.measures(1, 0.1)
    assert (told["loss"], told["accuracy"]) == (1.2, 0.4)


def test_a_ratio_forgets_what_was_long_ago() -> None:
    ratio = DecayingRatio(memory=10)
    assert ratio.value is None
    ratio.add(500, 100, 100)
    ratio.add(20, 10, 10)
    assert ratio.value == pytest.approx((500 / 2.718281828 + 20) / (100 / 2.718281828 + 10))
    ratio.add(200, 100, 1000)
    assert ratio.value == pytest.approx(2.0)
