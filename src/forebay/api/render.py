"""Shows a run as it happens: progress bars on a terminal, plain lines elsewhere. Everything goes to standard error."""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from forebay.backend.progress_text import epoch_text, progress_text, short_progress_text
from forebay.backend.summary import Event
from forebay.backend.summary_text import summary_rows
from forebay.text import one_line

PLAIN_EVERY = 0.25  # share of a step's work between two plain lines
BAR_WIDTHS = (8, 30)  # characters; the narrow one leaves room for the measures of a training
WIDE = 120  # a screen from which on the bar is the wide one
BESIDE_BAR = 25  # characters of spinner, step, clock and gaps


class RunView:
    """Renders events; a context manager because a live bar must be closed before anything else is printed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = console.is_terminal
        self._bars: dict[str, TaskID] = {}
        self._plain: dict[str, float] = {}
        bar_width = BAR_WIDTHS[console.width >= WIDE]
        self._room = console.width - bar_width - BESIDE_BAR
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=bar_width),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not self._live,
        )

    def __enter__(self) -> "RunView":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        """Render one event."""
        handler = getattr(self, f"_on_{event['kind']}", None)
        if handler:
            handler(event)

    def _on_started(self, event: Event) -> None:
        step = event["step"]
        if step not in self._bars:
            self._bars[step] = self._progress.add_task(step, total=None, count="")
        self._line(f"{step}: started")

    def _on_progress(self, event: Event) -> None:
        done, total = event["done"], event["total"]
        if event["step"] in self._bars:
            count = short_progress_text(event, self._room)
            self._progress.update(self._bars[event["step"]], completed=done, total=total, count=count)
        share = done / total if total else 1.0
        if share - self._plain.get(event["step"], 0.0) >= PLAIN_EVERY:
            self._plain[event["step"]] = share
            self._line(f"{event['step']}: {progress_text(event)}")

    def _on_epoch(self, event: Event) -> None:
        self._say(f"{event['step']}: {epoch_text(event)}")

    def _on_finished(self, event: Event) -> None:
        bar = self._bars.get(event["step"])
        if bar is not None:
            self._progress.update(bar, total=1, completed=1)
        self._line(f"{event['step']}: done in {event['seconds']:.1f} s")

    def _on_failed(self, event: Event) -> None:
        if not event["permanent"]:
            self._say(f"{event['step']}: {event['error']}", style="yellow")

    def _on_warning(self, event: Event) -> None:
        self._say(f"{event['step']}: {event['text']}", style="yellow")

    def _on_waiting(self, event: Event) -> None:
        self._console.print(one_line(event["text"]), markup=False, highlight=False, soft_wrap=True)

    def _line(self, text: str) -> None:
        if not self._live:
            self._say(text)

    def _say(self, text: str, style: str | None = None) -> None:
        # in a file a line stays one line
        self._console.print(one_line(text), style=style, markup=False, highlight=False, soft_wrap=not self._live)


def print_summary(console: Console, summary: dict[str, Any]) -> None:
    """Print the table that ends a run, one line a fact.

    No line is cut or broken, whatever the width: the URL and the report's path are there to be copied. Names of classes
    and folders are text, never markup.
    """
    rows = summary_rows(summary)
    width = max((len(name) for name, _ in rows), default=0) + 2
    for name, text in rows:
        console.print(Text.assemble((name.ljust(width), "bold"), one_line(text)), soft_wrap=True)
