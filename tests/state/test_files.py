"""Files are whole or absent."""

from pathlib import Path

import pytest

from forebay.state import is_sealed, read_json, seal, write_bytes, write_json


def test_a_failed_write_leaves_the_old_content_and_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    with pytest.raises(TypeError):
        write_bytes(path, "text")  # type: ignore[arg-type]
    assert read_json(path) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


def test_a_folder_is_sealed_only_while_every_file_is_there_in_its_size(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "rows").write_bytes(b"12345")
    assert not is_sealed(tmp_path)
    seal(tmp_path)
    assert is_sealed(tmp_path)
    (tmp_path / "part" / "rows").write_bytes(b"1234")
    assert not is_sealed(tmp_path)
    (tmp_path / "part" / "rows").unlink()
    assert not is_sealed(tmp_path)


def test_a_torn_marker_does_not_count(tmp_path: Path) -> None:
    seal(tmp_path)
    (tmp_path / "_COMPLETE.json").write_text('{"bytes": ')
    assert not is_sealed(tmp_path)
