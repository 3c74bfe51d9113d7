"""Text for MLflow's pages, which show Markdown with HTML inside: what others named is shown as they wrote it."""

import re
from collections.abc import Iterable, Sequence

from forebay.text import one_line

# Letters and digits of any script, spaces, and marks that mean nothing inside a line. Everything else may begin
# emphasis, a link, a cell, HTML or a formula in one of the dialects.
_SPECIAL = re.compile(r"[^\w\s.,;%+-]|(?<!\w)_|_(?!\w)|(?<=www)\.", re.IGNORECASE)


def escape(text: str, most: int = 80) -> str:
    """The text as a browser is to show it, on one line, with character references for what Markdown or HTML reads.

    Args:
        text: what a person or a file named.
        most: characters; a longer text is cut.
    """
    line = one_line(text.strip())
    cut = line if len(line) <= most else f"{line[: most - 1]}…"
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", cut)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are Markdown already: text in the first column, numbers in the others."""
    lines = [_cells(head), ["---", *("---:" for _ in head[1:])], *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(cells: Sequence[str]) -> list[str]:
    """MLflow shows a table without lines and margins, so a space of its own keeps columns apart."""
    return [cells[0], *(f"&emsp;{cell}" for cell in cells[1:])]


def bullets(items: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {item}" for item in items)


def code_block(language: str, lines: Sequence[str]) -> str:
    """Lines of code, which hold nothing that others named."""
    return "\n".join([f"```{language}", *lines, "```"])
