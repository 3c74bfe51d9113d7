"""What the machine refuses is said with the file and what mends it."""

import errno
import os
from pathlib import Path

import pytest

from forebay.state.machine_errors import add_file_name, explain_machine_error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/d/a"), "No space left on device: /d/a. Free some space"),
        (OSError(errno.ENOSPC, "No space left on device", "/a", None, "/d/b"), "No space left on device: /d/b."),
        (OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"), "The disk is full or"),
        (OSError(errno.EFBIG, "File too large", "/d/a"), "File too large: /d/a. A quota or `ulimit -f`"),
        (OSError(errno.EROFS, "Read-only file system", "/d/a"), "Read-only file system: /d/a. Make that"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files: this process may open "),
        (MemoryError(), "Too little memory (none is left). End other programs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "Too little memory (DefaultCPUAllocator"),
        (ImportError("libz.so: failed to map segment from shared object"), "Too little memory (libz.so"),
        (Exception("(sqlite3.OperationalError) disk I/O error [SQL: INSERT …]"), "full or fails: (sqlite3.Oper"),
    ],
)
def test_a_refusal_of_the_machine_is_said_with_what_mends_it(error: BaseException, words: str) -> None:
    said = explain_machine_error(error)
    assert said
    assert words in said
    assert said.endswith("and run again.")
    assert "SQL:" not in said


@pytest.mark.parametrize("error", [ValueError("no"), FileNotFoundError(errno.ENOENT, "No such file", "/a")])
def test_other_errors_are_left_to_others(error: BaseException) -> None:
    assert explain_machine_error(error) is None


def test_an_error_of_a_write_gets_the_name_of_its_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"a\.bin") as raised, add_file_name(tmp_path / "a.bin"):
        os.write(99_999, b"")
    assert raised.value.filename == str(tmp_path / "a.bin")
