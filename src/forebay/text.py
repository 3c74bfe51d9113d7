"""Text in messages: control characters in what others chose, lists of names, numbers with their nouns.

Names of classes and files, paths of requests and messages of libraries may hold line breaks, which would forge lines of
a log, and escape sequences, which would rewrite a terminal. Only this module says which characters those are.
"""

import re
from collections.abc import Sequence

# Controls of both sets (C0 with tab, CR and LF; DEL; C1), line and paragraph separators, marks that turn the direction
# of writing around, and lone surrogates, which stand for bytes of a file name that are no text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def one_line(text: str) -> str:
    """The text with every control character escaped as Python does it: `\\n`, `\\x1b`, `\\u202e`."""
    return _CONTROL.sub(_escaped, text)


def escape_controls(text: str) -> str:
    """As `one_line`, but line feeds and tabs stay, for a text of several lines."""
    return _CONTROL.sub(lambda found: found[0] if found[0] in "\n\t" else _escaped(found), text)


def find_control(text: str) -> str:
    """The first control character of a name, escaped; empty where the name has none and may be used."""
    found = _CONTROL.search(text)
    return _escaped(found) if found else ""


def join_names(names: Sequence[str], most: int) -> str:
    """The first names, separated by commas, and how many more there are: `a, b and 7 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def count_noun(number: int, noun: str) -> str:
    """A number with its noun: `1 image`, `12 images`, `1,200 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_duration(seconds: float) -> str:
    """A time as clocks show it: `0:07`, `12:34`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _escaped(found: "re.Match[str]") -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
