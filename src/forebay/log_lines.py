"""Log records as lines: one a record, whatever names and messages hold."""

import logging
from types import TracebackType
from typing import TextIO

from forebay.text import one_line, plain

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
INDENT = "    "  # of a traceback, which alone may have several lines: none of them can be taken for a record

_Caught = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)  # as `logging` names what `sys.exc_info` returns


class LineFormatter(logging.Formatter):
    """Writes out control characters, and indents tracebacks."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record without its traceback, in one line."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: _Caught) -> str:
        """The traceback, indented."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        """The stack, indented."""
        return _indented(super().formatStack(stack_info))


def log_to(stream: TextIO, level: int = logging.INFO) -> None:
    """Set this process's logging up, where nobody has yet."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])


def _indented(text: str) -> str:
    return "\n".join(INDENT + line for line in plain(text).splitlines())
