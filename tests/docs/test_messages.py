"""What the page for trouble quotes is what the code says."""

import ast
import re
from collections.abc import Iterator

import pytest

from support.markdown_pages import DOCS, ROOT

PAGE = (DOCS / "operations.md").read_text().split("## When something goes wrong")[1]
LEFT_OUT = re.compile(r"…|\d+")  # what differs from case to case
QUOTED = [
    message for cell in re.findall(r"^\| ([^|]+) \|", PAGE, re.MULTILINE) for message in re.findall(r"`([^`]+)`", cell)
]


def _said() -> Iterator[str]:
    """Every string of the sources; what is filled in stands as a mark that no message has."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.JoinedStr):
                parts = (str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values)
                yield "".join(parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


SAID = "\n".join(_said())


@pytest.mark.parametrize("message", QUOTED)
def test_a_message_on_the_page_is_one_of_the_code(message: str) -> None:
    parts = [part.strip() for part in LEFT_OUT.split(message) if part.strip()]
    assert parts
    assert [part for part in parts if part not in SAID] == []
