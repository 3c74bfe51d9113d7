"""Errors of the user's code, told with the user's own lines and none of ours."""

import contextlib
import traceback
from collections.abc import Iterator, Sequence
from types import TracebackType

from forebay.errors import ForebayError, UserCodeError
from forebay.text import one_line

FRAMES_SHOWN = 3  # the innermost ones
WORDS_SHOWN = 500


@contextlib.contextmanager
def explain_user_errors(name: str, doing: str, module: str) -> Iterator[None]:
    """Turn what the user's code raises inside into one sentence. Signals and our own errors pass.

    Args:
        name: of the code, as the user wrote it.
        doing: what was done with it: "calling it", "reading record 17".
        module: the name of the module that holds the code; frames of its package are shown. `load_code` made an object
            of `object.__module__`.

    Raises:
        UserCodeError: names the code, the lines and the exception.
    """
    try:
        yield
    except ForebayError:
        raise
    except (Exception, SystemExit) as error:
        words = describe_error(error, module)
        raise UserCodeError(f"{name}: {doing} failed: {words}") from error


def describe_error(error: BaseException, module: str) -> str:
    """An exception in one line: its lines in the user's code, innermost last, then its type and its words."""
    words = one_line(" ".join(_words(error).split()))[:WORDS_SHOWN]
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    frames = user_frames(error.__traceback__, module)
    return "; ".join([*(_frame_words(frame) for frame in frames[-FRAMES_SHOWN:]), said])


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # the user's own exception, whose __str__ raises another
        return ""


def user_frames(trace: TracebackType | None, module: str) -> Sequence[traceback.FrameSummary]:
    """The frames of a traceback whose module is the user's, or lies in its package."""
    package = module.partition(".")[0]
    walked = [
        (frame, line)
        for frame, line in traceback.walk_tb(trace)
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == package
    ]
    return traceback.StackSummary.extract(iter(walked))


def _frame_words(frame: traceback.FrameSummary) -> str:
    where = "" if frame.name == "<module>" else f" in {frame.name}"
    return one_line(f"{frame.filename} line {frame.lineno}{where}: {frame.line}")
