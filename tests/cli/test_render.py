"""What a person reads at the end of a run: whole, and as it is."""

import io
import re
from typing import Any

from rich.console import Console

from forebay.api.render import RunView, print_summary
from forebay.backend.summary import summarize
from forebay.cli.commands.steps import class_table

LONG = "/data/[old]/" + "a-long-folder-name/" * 8 + "report.html"


def shown(**facts: Any) -> str:
    """The table of a summary with these facts, on a narrow screen."""
    screen = io.StringIO()
    print_summary(Console(file=screen, width=40), summarize("20261121-093000-482913", []) | facts)
    return screen.getvalue()


def test_a_path_and_a_url_longer_than_the_screen_stay_whole_on_one_line() -> None:
    url = "http://a-host.example.org:8090/" + "x" * 90
    lines = shown(report=LONG, url=url).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == [url, LONG]


def test_a_failed_run_shows_its_error_last() -> None:
    error = {"step": "ingest", "error": "photos/: no image among its files"}
    assert shown(state="failed", error=error).splitlines()[-1].split(maxsplit=1) == [
        "error",
        "ingest: photos/: no image among its files",
    ]


def test_a_model_that_over_fits_says_so_in_the_table_as_well() -> None:
    said = "The model over-fits: train accuracy 100.0%"
    assert shown(overfitting=said).splitlines()[-1].split(maxsplit=1) == ["warning", said]


def test_names_that_look_like_markup_are_text() -> None:
    reason = "recall of [/b] fell, [red] too"
    assert f"refused: {reason}" in shown(gate={"passed": False, "reason": reason})


TRAINING = {"epoch": 3, "epochs": 16, "loss": 0.5318, "accuracy": 0.8123, "seconds_left": 83.2, "images_per_s": 1234.5}
EPOCH = {"train_loss": 0.6123, "train_accuracy": 0.789, "validation_loss": 0.7011, "validation_accuracy": 0.752}


def watched(width: int, *, is_terminal: bool, measures: dict[str, float]) -> str:
    """What a screen or a file holds in the middle of a training."""
    screen = io.StringIO()
    view = RunView(Console(file=screen, width=width, force_terminal=is_terminal))
    with view:
        view.show({"kind": "started", "step": "train"})
        view.show({"kind": "epoch", "step": "train", "epoch": 2, "epochs": 16, "measures": EPOCH})
        view.show({
            "kind": "progress", "step": "train", "done": 800, "total": 3200, "unit": "steps", "measures": measures,
        })  # fmt: skip
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())


def test_on_a_terminal_a_training_has_one_line_with_what_matters_most() -> None:
    line = watched(80, is_terminal=True, measures=TRAINING).splitlines()[-1]
    assert "epoch 3/16, loss 0.532, acc 81.2%, 1:23 left" in line
    assert "images/s" not in line
    assert len(line) <= 80
    assert "1:23 left, 1,234 images/s" in watched(130, is_terminal=True, measures=TRAINING).splitlines()[-1]


def test_a_line_of_an_epoch_has_both_losses_on_a_terminal_and_in_a_file() -> None:
    told = "train: epoch 2/16: train loss 0.612, acc 78.9%; validation loss 0.701, acc 75.2%"
    assert told in watched(200, is_terminal=True, measures=TRAINING)
    lines = watched(80, is_terminal=False, measures=TRAINING).splitlines()
    assert lines == [
        "train: started",
        told,
        "train: 800/3,200 steps, epoch 3/16, loss 0.532, acc 81.2%, 1:23 left, 1,234 images/s",
    ]


def test_without_measures_the_count_is_shown() -> None:
    assert "800/3,200 steps" in watched(80, is_terminal=True, measures={}).splitlines()[-1]


def test_the_table_of_classes_shows_a_name_that_looks_like_markup() -> None:
    class Measured:
        per_class = ({"name": "[/b]", "support": 3, "precision": None, "recall": 1.0},)

    screen = io.StringIO()
    Console(file=screen, width=60).print(class_table(Measured()))  # type: ignore[arg-type]
    assert screen.getvalue().splitlines()[1].split() == ["[/b]", "3", "-", "100.00%"]
