"""The folder of weights in the state folder: each file is named by its digest, a record beside it says what it is.

The record is written last and whole, so what has a record is complete, and any number of processes may write at once.
"""

import contextlib
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from forebay.contracts.bundles.strict_json import parse_strict_json
from forebay.state import Home
from forebay.state.file_digest import file_sha256
from forebay.state.files import write_bytes
from forebay.weights.errors import WeightsError
from forebay.weights.pretrained import InputFormat, PretrainedWeights
from forebay.weights.whole_file import link_or_copy, whole_file

SUFFIX = ".safetensors"
RECORD_SUFFIX = ".json"
_NAME = re.compile(r"[a-z]+/[^/\0]+")  # LIBRARY/ARCHITECTURE.TAG, or files/NAME
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class WeightsRecord:
    """What is known of a file of weights."""

    name: str  # LIBRARY/ARCHITECTURE.TAG
    sha256: str  # of the safetensors file
    source: str
    library: str
    architecture: str
    input: InputFormat | None = None
    license: str = ""  # as the publisher states it

    @property
    def file_name(self) -> str:
        """The name of the file of weights."""
        return f"{self.name}-{self.sha256[:12]}{SUFFIX}"

    def at(self, path: Path) -> PretrainedWeights:
        """These weights at a path."""
        return PretrainedWeights(
            path=path, sha256=self.sha256, source=self.source, library=self.library, architecture=self.architecture,
            input=self.input,
        )  # fmt: skip


def parse_record(text: bytes, where: str) -> WeightsRecord:
    """A record from its JSON, which anybody may have written.

    Raises:
        WeightsError: it is none.
    """
    try:
        values: dict[str, Any] = parse_strict_json(text)
        given = values.pop("input")
        record = WeightsRecord(**values, input=None if given is None else _input_format(given))
        texts = (record.name, record.sha256, record.source, record.library, record.architecture, record.license)
        if not all(isinstance(each, str) for each in texts):
            raise ValueError("a field is no text")
        if not _NAME.fullmatch(record.name) or not _SHA256.fullmatch(record.sha256):
            raise ValueError("it names no weights")  # they become the name of a file
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"{where} is no record of weights ({error}). Remove it; it is written anew.") from error
    return record


def _input_format(given: Mapping[str, Any]) -> InputFormat:
    return InputFormat(
        height=int(given["height"]),
        width=int(given["width"]),
        mean=tuple(map(float, given["mean"])),
        std=tuple(map(float, given["std"])),
        interpolation=str(given["interpolation"]),
    )


def record_bytes(record: WeightsRecord) -> bytes:
    """The record as JSON."""
    return json.dumps(asdict(record), indent=2, sort_keys=True).encode() + b"\n"


def find_kept(home: Home, name: str) -> PretrainedWeights | None:
    """The weights of that name in the state folder; None where there are none that are whole."""
    try:
        record = parse_record(_record_path(home, name).read_bytes(), str(_record_path(home, name)))
        path = home.weights / record.file_name
        whole = record.name == name and file_sha256(path) == record.sha256
    except (FileNotFoundError, WeightsError):
        return None
    return record.at(path) if whole else None


def keep(home: Home, record: WeightsRecord, write: Callable[[Path], None]) -> PretrainedWeights:
    """Write weights into the state folder, whole or not at all.

    Args:
        home: the state folder.
        record: what they are, with the digest that the file will have.
        write: writes the file at the path that it is given.

    Raises:
        WeightsError: what was written has another digest.
    """
    path = home.weights / record.file_name
    with whole_file(path) as temporary:
        write(temporary)
        found = file_sha256(temporary)
        if found != record.sha256:
            raise WeightsError(
                f"{record.name} from {record.source}: sha256 {found[:12]}… is not the expected {record.sha256[:12]}…. "
                "The file was changed or cut short on its way; give the command again."
            )
    write_bytes(_record_path(home, record.name), record_bytes(record))
    return record.at(path)


def keep_new(home: Home, name: str, source: str, write: Callable[[Path], None]) -> PretrainedWeights:
    """As `keep`, for weights of unknown digest and network."""
    home.weights.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=home.weights) as folder:
        path = Path(folder) / "weights"
        write(path)
        record = WeightsRecord(name=name, sha256=file_sha256(path), source=source, library="", architecture="")
        return keep(home, record, lambda target: link_or_copy(path, target))


def list_kept(home: Home) -> list[WeightsRecord]:
    """What the state folder holds, by name; a damaged record is left out, as it is written anew when it is needed."""
    found = []
    for path in sorted(home.weights.rglob(f"*{RECORD_SUFFIX}")):
        with contextlib.suppress(WeightsError):
            found.append(parse_record(path.read_bytes(), str(path)))
    return found


def _record_path(home: Home, name: str) -> Path:
    return home.weights / f"{name}{RECORD_SUFFIX}"
