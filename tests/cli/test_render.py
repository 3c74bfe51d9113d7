"""What a person reads at the end of a run: whole, and as it is."""

import io
from typing import Any

from rich.console import Console

from forebay.backend.summary import summarize
from forebay.cli.commands.steps import class_table
from forebay.cli.render import print_summary

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


def test_names_that_look_like_markup_are_text() -> None:
    reason = "recall of [/b] fell, [red] too"
    assert f"refused: {reason}" in shown(gate={"passed": False, "reason": reason})


def test_the_table_of_classes_shows_a_name_that_looks_like_markup() -> None:
    class Measured:
        per_class = ({"name": "[/b]", "support": 3, "precision": None, "recall": 1.0},)

    screen = io.StringIO()
    Console(file=screen, width=60).print(class_table(Measured()))  # type: ignore[arg-type]
    assert screen.getvalue().splitlines()[1].split() == ["[/b]", "3", "-", "100.00%"]
