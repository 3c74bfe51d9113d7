"""How a person names their own code: `net.py:Net`, `package.module:factory`, or the name of an entry point."""

import re
from dataclasses import dataclass

from forebay.errors import ConfigError

_IDENTIFIER = r"[^\W\d]\w*"
_FILE = re.compile(rf"(?P<file>.*[^/:]\.py):(?P<attribute>{_IDENTIFIER})")
_MODULE = re.compile(rf"(?P<module>{_IDENTIFIER}(?:\.{_IDENTIFIER})*):(?P<attribute>{_IDENTIFIER})")
_ENTRY_POINT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class CodeReference:
    """A class or a function of the user's. Exactly one of `file`, `module` and `entry_point` is not empty."""

    file: str = ""  # a path, as it was written
    module: str = ""
    entry_point: str = ""  # a name in a group
    attribute: str = ""  # of the file or the module

    def __str__(self) -> str:
        return self.entry_point or f"{self.file or self.module}:{self.attribute}"


def parse_reference(text: str) -> CodeReference:
    """Read a reference. Nothing is imported and no file is looked at.

    Raises:
        ConfigError: it is none of the three forms.
    """
    if found := _FILE.fullmatch(text):
        return CodeReference(file=found["file"], attribute=found["attribute"])
    if (found := _MODULE.fullmatch(text)) and not text.startswith("_"):
        return CodeReference(module=found["module"], attribute=found["attribute"])
    if text.endswith(".py"):
        raise ConfigError(f"{text!r} names a file and no class or function in it. Write {text}:NAME.")
    if _ENTRY_POINT.fullmatch(text):
        return CodeReference(entry_point=text)
    raise ConfigError(
        f"{text!r} names no code: write FILE.py:NAME, package.module:NAME, or the name of an entry point of an "
        "installed package."
    )


def looks_like_code(text: str) -> bool:
    """Tell whether a text names a class or function in a file or module; an entry point looks like any other name."""
    return text.endswith(".py") or _FILE.fullmatch(text) is not None or _MODULE.fullmatch(text) is not None
