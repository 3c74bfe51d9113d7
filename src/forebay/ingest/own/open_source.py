"""Calls a source that somebody wrote. Everything that comes back is checked, and its errors are told in words."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from forebay.errors import ConfigError, UserCodeError
from forebay.settings.own_source import OwnSource
from forebay.user_code import SOURCES_GROUP, decode_code, explain_user_errors, load_code

MAX_PARTITIONS = 10_000
MAX_FINGERPRINT_CHARACTERS = 1000

Partition = str | int


@dataclass(frozen=True, kw_only=True)
class OpenSource:
    """What the class or function gave for its options."""

    name: str  # for messages
    module: str  # whose frames an error shows
    source: Any

    def partitions(self) -> list[Partition] | None:
        """The parts that can be read in parallel; None where the source has no `partitions`.

        Raises:
            UserCodeError: there is none, or one is neither a text nor a whole number.
        """
        if not hasattr(self.source, "partitions"):
            return None
        with self._explained("partitions()"):
            found = self.source.partitions()
            found = found if isinstance(found, str) else list(found)
        if isinstance(found, str) or not all(type(each) in (str, int) for each in found):
            raise self._wrong(f"partitions() gave {_short(found)}, where each must be a text or a whole number")
        if not 1 <= len(found) <= MAX_PARTITIONS or len(set(found)) < len(found):
            raise self._wrong(
                f"partitions() gave {len(found)}, of which 1 to {MAX_PARTITIONS} different ones are taken"
            )
        return found

    def records(self, *partition: Partition) -> Iterator[Any]:
        """Whatever the source yields, one after another; nothing of it is checked.

        Raises:
            UserCodeError: it raised an exception, which is told with the record's number, or gives no records.
        """
        with self._explained("records()"):
            given = self.source.records(*partition) if hasattr(self.source, "records") else self.source
        if isinstance(given, str | bytes | dict) or not hasattr(type(given), "__iter__"):
            raise self._wrong(f"it gave a {type(given).__name__}, which is no row of records: yield them one by one")
        with self._explained("records()"):
            iterator = iter(given)
        number, end = 0, object()
        while True:
            number += 1
            with self._explained(f"reading record {number}"):
                record = next(iterator, end)
            if record is end:
                return
            yield record

    def fingerprint(self) -> str:
        """What the source says of its present data; empty where it has no `fingerprint`.

        Raises:
            UserCodeError: it raised an exception, or gave no short text.
        """
        if not hasattr(self.source, "fingerprint"):
            return ""
        with self._explained("fingerprint()"):
            said = self.source.fingerprint()
        if not isinstance(said, str) or not 0 < len(said) <= MAX_FINGERPRINT_CHARACTERS:
            raise self._wrong(
                f"fingerprint() gave {_short(said)}, not a text of 1 to {MAX_FINGERPRINT_CHARACTERS} characters"
            )
        return said

    def _explained(self, doing: str) -> AbstractContextManager[None]:
        return explain_user_errors(self.name, doing, self.module)

    def _wrong(self, problem: str) -> UserCodeError:
        return UserCodeError(f"{self.name}: {problem}. `forebay.ingest.Source` says what a source is.")


def open_source(own: OwnSource, code: str) -> OpenSource:
    """Load a source and call it with its options.

    Args:
        own: which one.
        code: `ingest.source_code`.

    Raises:
        ConfigError: no package brings it, or the text of its file did not come along.
        UserCodeError: it cannot be loaded, does not take these options, or raised an exception.
    """
    if own.reference.file and not code:
        raise ConfigError(
            f"ingest.data={own} names a file, and ingest.source_code, which holds its text, is empty. The command line "
            f"fills it in: `forebay run --data {own.reference}`."
        )
    factory = load_code(own.reference, decode_code(code, "ingest.source_code") if code else "", SOURCES_GROUP)
    module = str(getattr(factory, "__module__", ""))
    _check_options(own, factory)
    with explain_user_errors(own.name, "calling it", module):
        source = factory(**own.options)
    return OpenSource(name=own.name, module=module, source=source)


def _check_options(own: OwnSource, factory: Callable[..., Any]) -> None:
    if not callable(factory):
        kind = type(factory).__name__
        raise UserCodeError(f"{own.name} is a {kind}: a source is a class or a function that yields records.")
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # one written in C
        return
    try:
        signature.bind(**own.options)
    except TypeError as error:
        names: Sequence[str] = list(signature.parameters)
        takes = f"It takes {', '.join(names)}" if names else "It takes none"
        raise UserCodeError(
            f"{own.name}: its options do not fit: {error}. {takes}; they stand behind ? in ingest.data, as in "
            f"{own.name}?NAME=VALUE."
        ) from None


def _short(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:80] + '…'}"
