"""What a run gave."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from forebay.backend.summary import Summary
from forebay.backend.summary_text import summary_rows
from forebay.errors import ForebayError

REPORT_HEIGHT = 600  # CSS pixels of the report in a notebook; it scrolls


@dataclass(frozen=True, repr=False)
class RunResult:
    """What a run gave; a notebook shows it as a table with the report below.

    Attributes:
        summary: everything, as `forebay run --json` prints it; docs/pipeline.md names the keys.
        history: the training curves, one dict per epoch: `epoch`, `train_loss`, `train_accuracy`, and
            `validation_loss`, `validation_accuracy` where rows were held out for it.
        run_url: page of the run in Kubeflow Pipelines; empty for a run on this machine.
    """

    summary: Summary
    history: Sequence[dict[str, Any]] = field(default_factory=list)
    run_url: str = ""

    @property
    def run_id(self) -> str:
        """Names the run, as `forebay runs` lists it."""
        return str(self.summary["run_id"])

    @property
    def state(self) -> str:
        """`done`, `refused` where the gate said no, or `submitted` for a run on a cluster that was not waited for."""
        return str(self.summary["state"])

    @property
    def passed(self) -> bool:
        """Whether the gate let the model through, so that it serves now."""
        return bool(self.summary["gate"] and self.summary["gate"]["passed"])

    @property
    def gate(self) -> str:
        """Why the gate decided so; empty where it did not decide."""
        return str(self.summary["gate"]["reason"]) if self.summary["gate"] else ""

    @property
    def accuracy(self) -> float:
        """Share of the held-out rows that the model gets right, 0 to 1.

        Raises:
            ForebayError: the run has not measured it (yet).
        """
        return float(self._measured["value"])

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """Where the accuracy on other such images lies with 95 % confidence (Wilson); raises as `accuracy`."""
        return float(self._measured["low"]), float(self._measured["high"])

    @property
    def rows(self) -> int:
        """The number of held-out rows behind the accuracy; raises as it."""
        return int(self._measured["rows"])

    @property
    def name(self) -> str:
        """The registered model; empty where the run came to no decision."""
        return str(self._model.get("name") or "")

    @property
    def version(self) -> str:
        """The version that the run registered; empty where the gate refused it."""
        return str(self._model.get("version") or "")

    @property
    def url(self) -> str:
        """Where the champion of this name answers (V1); empty where none does."""
        return str(self.summary["url"] or "")

    @property
    def report(self) -> Path | None:
        """The HTML report; None where it is not on this machine."""
        report = self.summary["report"]
        return Path(report) if report and Path(report).is_file() else None

    def __repr__(self) -> str:
        accuracy = f", accuracy={self.accuracy:.4f}" if self.summary["accuracy"] else ""
        model = f", model='{self.name}/{self.version}'" if self.version else ""
        return f"RunResult(run_id={self.run_id!r}, state={self.state!r}{accuracy}{model})"

    def _repr_html_(self) -> str:
        """The table that ends a run, and the report, for a notebook."""
        rows = "".join(
            f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(text)}</td></tr>'
            for name, text in summary_rows(self.summary)
        )
        table = f"<table>{rows}</table>"
        if self.report is None:
            return table
        page = escape(self.report.read_text(encoding="utf-8"))
        return (
            f'{table}<iframe title="Report of the run" srcdoc="{page}" sandbox="allow-popups" '
            f'style="width:100%;height:{REPORT_HEIGHT}px;border:1px solid #8888"></iframe>'
        )

    @property
    def _measured(self) -> dict[str, Any]:
        measured: dict[str, Any] | None = self.summary["accuracy"]
        if measured is None:
            raise ForebayError(
                f"Run {self.run_id} is {self.state} and has measured no accuracy. Look at `.state` before, or wait for "
                "its end."
            )
        return measured

    @property
    def _model(self) -> dict[str, Any]:
        return self.summary["model"] or {}
