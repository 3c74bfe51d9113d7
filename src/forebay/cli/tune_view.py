"""Shows a search as it happens: the trial in progress has a bar, and one that is over leaves a line."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from forebay.api.render import RunView
from forebay.backend.summary import Event
from forebay.text import format_duration, one_line
from forebay.tuning.result import SearchResult, as_words, describe_end, describe_gain, ranked
from forebay.tuning.study import TrialRecord

TRIAL = "trial "  # how the steps of trials begin
MOST_ROWS = 5  # of the table of trials


class TuneView(RunView):
    """Renders the events of a search."""

    def _on_progress(self, event: Event) -> None:
        if self._live or not event["step"].startswith(TRIAL):
            super()._on_progress(event)  # in a file one line for a trial is enough

    def _on_finished(self, event: Event) -> None:
        super()._on_finished(event)
        if "text" in event:
            bar = self._bars.pop(event["step"], None)
            if bar is not None:
                self._progress.remove_task(bar)
            self._say(f"{event['step']}: {event['text']}")


def print_search(console: Console, result: SearchResult) -> None:
    """Print the best trials, the place of the default settings, and the settings to copy."""
    order = ranked(result.records)
    shown = order[:MOST_ROWS]
    if result.default in order and result.default not in shown:
        shown.append(result.default)
    table = Table("place", "trial", "loss", "accuracy", "epochs", "time", "settings", box=None, padding=(0, 2, 0, 0))
    for record in shown:
        table.add_row(*_row(record, order.index(record) + 1))
    console.print(Text(f"The best of {len(result.records)} trials, by {result.rows:,} validation rows", "bold"))
    console.print(table)
    rows = [("ended", describe_end(result)), ("gain", describe_gain(result)), ("plot", str(result.plot))]
    for name, text in [*rows, *([("settings", as_words(result.best))] if result.best.settings else [])]:
        console.print(Text.assemble((name.ljust(10), "bold"), one_line(text)), soft_wrap=True)


def _row(record: TrialRecord, place: int) -> list[str | Text]:
    facts = record.facts
    settings = ", ".join(f"{key.removeprefix('train.')}={value}" for key, value in record.settings.items())
    return [
        str(place), str(record.number), f"{record.loss:.4f}", f"{facts['accuracy']:.2%}", str(facts["epochs"]),
        format_duration(facts["seconds"]), Text(one_line(settings or "the default settings"), overflow="fold"),
    ]  # fmt: skip
