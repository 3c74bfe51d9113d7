"""How `ingest.data` names a source that somebody wrote: `FILE.py:NAME`, `package.module:NAME` or `NAME://`.

Behind each may stand options for it: `mysource.py:Photos?path=/data&year=2020`.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from forebay.errors import ConfigError
from forebay.object_store import is_s3_uri
from forebay.user_code import CodeReference, looks_like_code, parse_reference

PATH_OPTION = "path"  # what stands behind NAME://
_ENTRY_POINT = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*)://(.*)", re.DOTALL)
_UNQUOTED = "/:@,;~+*!$'() "  # in a value; %, &, =, ? and # are written as %25, %26, …


@dataclass(frozen=True, kw_only=True)
class OwnSource:
    """The class or function that gives the records, and the keyword arguments that it is called with."""

    reference: CodeReference
    options: dict[str, str]

    def __str__(self) -> str:
        options = dict(self.options)
        path = quote(options.pop(PATH_OPTION, ""), safe=_UNQUOTED) if self.reference.entry_point else ""
        query = "&".join(f"{key}={quote(value, safe=_UNQUOTED)}" for key, value in options.items())
        return f"{self.name}{path}" + (f"?{query}" if query else "")

    @property
    def name(self) -> str:
        """The source without its options, for messages."""
        return f"{self.reference}://" if self.reference.entry_point else str(self.reference)

    @property
    def short_name(self) -> str:
        """The name of the class or function alone, or of the entry point."""
        return self.reference.attribute or self.reference.entry_point


def parse_own_source(data: str) -> OwnSource | None:
    """Read `ingest.data`; None where it names no such source. Nothing is imported, and no file is looked at.

    Raises:
        ConfigError: its options cannot be read.
    """
    try:
        return _parse(data)
    except ValueError as error:
        raise ConfigError(f"ingest.data {error}, got {data!r}") from None


def own_source_rule(value: str) -> str | None:
    """The rule of `ingest.data` for sources that somebody wrote."""
    try:
        _parse(value)
    except ValueError as error:
        return str(error)
    return None


def _parse(data: str) -> OwnSource | None:
    where, mark, query = data.partition("?")
    found = None if is_s3_uri(data) else _ENTRY_POINT.fullmatch(where)
    if not found and (not looks_like_code(where) or where.endswith(".py")):
        return None
    options = _parse_options(query) if mark else {}
    if found:
        path = {PATH_OPTION: unquote(found[2])} if found[2] else {}
        return OwnSource(reference=CodeReference(entry_point=found[1]), options=path | options)
    return OwnSource(reference=parse_reference(where), options=options)


def _parse_options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for word in query.split("&"):
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier() or key in options:
            problem = "is given twice" if key in options else "is no such pair"
            raise ValueError(
                "takes options behind ? as NAME=VALUE, with & between them (%26 is an & in a value), and "
                f"{word!r} {problem}"
            )
        options[key] = unquote(value)
    return options
