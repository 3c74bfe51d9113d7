"""How a call from Python shows what a run does: live in a notebook or on a terminal, else line by line."""

import sys
import time
from html import escape
from typing import Any, Protocol, Self

from forebay.backend.progress_text import epoch_text, progress_text
from forebay.backend.summary import Event

REDRAW_S = 0.25  # a notebook keeps every drawing until its front end has taken it


class ProgressView(Protocol):
    """Shows the events of a run in a `with` block."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, *error: object) -> None:
        """Leave the screen as others may write on it."""

    def show(self, event: Event) -> None:
        """Show one event."""


def progress_view(*, show: bool) -> ProgressView:
    """The view that fits where this process runs.

    Args:
        show: without it, nothing is shown.
    """
    if not show:
        return HiddenView()
    from rich.console import Console

    from forebay.api.render import RunView

    return NotebookView() if Console().is_jupyter else RunView(Console(file=sys.stderr))


class HiddenView:
    """Shows nothing."""

    def __enter__(self) -> "HiddenView":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, event: Event) -> None:
        """Forget the event."""


class NotebookView:
    """One output of a cell that is drawn anew: a line per step, and warnings below."""

    def __init__(self) -> None:
        self._steps: dict[str, str] = {}
        self._notes: list[str] = []
        self._handle: Any = None
        self._drawn = 0.0

    def __enter__(self) -> "NotebookView":
        return self

    def __exit__(self, *_: object) -> None:
        if self._steps or self._notes:
            self._draw()

    def show(self, event: Event) -> None:
        """Draw one event, or with the next one where the last drawing is fresh."""
        step = event.get("step", "")
        if event["kind"] == "started":
            self._steps[step] = "…"
        elif event["kind"] == "progress":
            self._steps[step] = progress_text(event)
        elif event["kind"] == "epoch":
            self._steps[step] = epoch_text(event)
        elif event["kind"] == "finished":
            self._steps[step] = f"{event['seconds']:.1f} s"
        elif event["kind"] in ("warning", "waiting", "failed"):
            self._notes.append(event.get("text") or event["error"])
        if time.monotonic() - self._drawn >= REDRAW_S:
            self._draw()

    def _draw(self) -> None:
        from importlib import import_module

        display = import_module("IPython.display").display  # a notebook brings it; untyped
        self._drawn = time.monotonic()
        rows = [f"{step:<10}  {text}" for step, text in self._steps.items()]
        text = "\n".join([*rows, *dict.fromkeys(self._notes)])
        shown = {"text/html": f"<pre>{escape(text)}</pre>", "text/plain": text}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)
