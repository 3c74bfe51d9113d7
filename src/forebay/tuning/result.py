"""What a search found, for programs and for people."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay.text import count_noun
from forebay.tuning.study import COMPLETE, FAILED, RUNNING, TrialRecord

BY_TRIALS, BY_TIME, BY_SPACE = "trials", "minutes", "space"  # what ended a search
CLEAR_ERRORS = 2.0  # standard errors from which on a difference is hardly chance


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search found."""

    study: str
    records: tuple[TrialRecord, ...]  # of all searches of this study
    rows: int  # of validation
    gain: tuple[float, float] | None  # loss of the default minus that of the best, and its standard error, if known
    ended_by: str
    asked: tuple[int, float]  # trials and minutes
    plot: Path
    mlflow_run_id: str

    @property
    def best(self) -> TrialRecord:
        """The trial with the smallest loss."""
        return ranked(self.records)[0]

    @property
    def default(self) -> TrialRecord:
        """The trial with the settings as they are without a search."""
        return self.records[0]

    def as_dict(self) -> dict[str, Any]:
        """For `--json` and for `study.json` beside the plot."""
        return {
            "study": self.study,
            "ended_by": self.ended_by,
            "validation_rows": self.rows,
            "best": self.best.number,
            "settings": dict(self.best.settings),
            "gain": {"loss": self.gain[0], "standard_error": self.gain[1]} if self.gain else None,
            "trials": [_as_dict(record) for record in self.records],
            "plot": str(self.plot),
            "mlflow_run_id": self.mlflow_run_id,
        }


def ranked(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The complete trials, the best first."""
    complete = [record for record in records if record.state == COMPLETE]
    return sorted(complete, key=lambda record: (record.loss, record.number))


def _as_dict(record: TrialRecord) -> dict[str, Any]:
    facts = {key: record.facts.get(key) for key in ("accuracy", "epochs", "seconds", "mlflow_run_id")}
    error = {"error": record.facts.get("error")} if record.state == FAILED else {}
    return {
        "number": record.number,
        "state": record.state,
        "loss": record.loss,
        "settings": dict(record.settings),
        **facts,
        **error,
    }


def describe_end(result: SearchResult) -> str:
    """Why the search ended, for a person."""
    trials, minutes = result.asked
    ended = count_noun(sum(record.state != RUNNING for record in result.records), "trial")
    if result.ended_by == BY_TRIALS:
        return f"{ended}, as many as --trials={trials} asks for"
    if result.ended_by == BY_SPACE:
        return f"{ended}: every combination of the space was tried"
    return f"{ended} when --minutes={minutes:g} were over; the same command goes on"


def describe_gain(result: SearchResult) -> str:
    """How much better than the default the best trial is, and whether that may be chance."""
    best, default = result.best, result.default
    if best.is_default:
        return "none: no trial was better than the default settings"
    if default.loss is None:
        return f"unknown: the training with the default settings is {default.state}"
    how = "whether that may be chance is not known"
    if result.gain:
        gain, error = result.gain
        verdict = "clear" if gain > CLEAR_ERRORS * error else "may be chance"
        how = f"the loss differs by {gain:.4f} ± {error:.4f}: {verdict}"
    return (
        f"validation loss {default.loss:.4f} to {best.loss:.4f}, accuracy {default.facts['accuracy']:.2%} to "
        f"{best.facts['accuracy']:.2%} ({result.rows:,} rows; {how})"
    )


def as_words(record: TrialRecord) -> str:
    """The settings of a trial as words to copy; empty for the default."""
    return " ".join(f"--set {shlex.quote(f'{key}={value}')}" for key, value in record.settings.items())
