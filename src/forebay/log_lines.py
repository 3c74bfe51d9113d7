"""Log records of one line each, whatever their messages hold."""

import logging
from types import TracebackType
from typing import TextIO

from forebay.text import escape_controls, one_line

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
INDENT = "    "  # before each line of a traceback, so that none of them can be taken for a record

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LineFormatter(logging.Formatter):
    """Escapes control characters, and indents tracebacks."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record without its traceback, in one line."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: _ExcInfo) -> str:
        """The traceback, indented."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        """The stack, indented."""
        return _indented(super().formatStack(stack_info))


def log_to(stream: TextIO, level: int = logging.INFO) -> None:
    """Set up the logging of this process where nobody has yet."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])


def _indented(text: str) -> str:
    return "\n".join(INDENT + line for line in escape_controls(text).splitlines())
