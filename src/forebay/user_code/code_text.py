"""The text of a file of the user's: read with limits, and written as a setting of one line."""

import base64
import binascii
import os
import stat
import zlib
from pathlib import Path

from forebay.errors import ConfigError

MAX_CODE_BYTES = 256 << 10  # of text
MAX_SETTING_CHARACTERS = 64 << 10  # Linux takes 128 KiB in one argument of a program, and a step's holds all settings


def read_code(path: str | Path) -> str:
    """The text of a Python file, whose syntax is checked; none of it is run.

    Raises:
        ConfigError: there is no such file, or it is no regular file, too large, no UTF-8 or no Python (the message
            names the line).
    """
    try:
        with open(Path(path).expanduser(), "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError(f"{path} is no regular file. Give a Python file.")
            content = file.read(MAX_CODE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"{path} cannot be read: {reason}. Give the path of a Python file.") from error
    if len(content) > MAX_CODE_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_CODE_BYTES >> 10} KiB. {_PACKAGE_ADVICE}")
    text = _decode_utf8(content, str(path))
    check_syntax(text, str(path))
    return text


def encode_code(text: str) -> str:
    """The text as one line of ASCII: base64 of zlib of UTF-8. Equal texts give equal lines.

    Raises:
        ConfigError: it is too large to travel as a setting.
    """
    line = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    if len(line) > MAX_SETTING_CHARACTERS:
        raise ConfigError(
            f"The code takes {len(line)} characters as a setting, at most {MAX_SETTING_CHARACTERS} travel to a step. "
            f"{_PACKAGE_ADVICE}"
        )
    return line


def decode_code(setting: str, key: str) -> str:
    """The text of a setting that `encode_code` made.

    Args:
        setting: the line.
        key: of the setting, for the message.

    Raises:
        ConfigError: it is no such line, or holds more than a file may.
    """
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(base64.b64decode(setting, validate=True), MAX_CODE_BYTES + 1)
        whole = unpacker.eof and not unpacker.unused_data and len(content) <= MAX_CODE_BYTES
    except (binascii.Error, ValueError, zlib.error):
        whole = False
    if not whole:
        raise ConfigError(f"{key} is not the text of a Python file as the command line writes it. Leave it empty.")
    return _decode_utf8(content, key)


def code_rule(value: str) -> str | None:
    """The rule of a setting that holds code: empty, or a line of `encode_code`. The code is not run."""
    try:
        decode_code(value, "") if value else None
    except ConfigError:
        return "must be empty, or the base64 of a file's text that the command line writes"
    return None


def check_syntax(text: str, name: str) -> None:
    """Refuse a text that is no Python, without running it.

    Raises:
        ConfigError: names the line.
    """
    try:
        compile(text, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"{name} line {error.lineno}" if error.lineno else name
        line = f": {error.text.strip()}" if error.text and error.text.strip() else ""
        raise ConfigError(f"{where} is no Python: {error.msg}{line}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{name} is no Python: {error}") from error


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe without a writer would wait for ever


def _decode_utf8(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{name} line {line} is no UTF-8. Save the file as UTF-8.") from error


_PACKAGE_ADVICE = "Put large code, and all data, into an installed package, and name it as package.module:NAME."
