"""kfp's cache entries count only while their artifacts are whole."""

from pathlib import Path

from forebay.engine.cache import drop_broken_entries, keep_digests
from forebay.state import seal, write_json


def _entry(cache: Path, key: str, artifact: Path) -> Path:
    write_json(cache / f"{key}.json", {"rows": {"__kfp_artifact__": True, "uri": str(artifact)}, "number": 3})
    return cache / f"{key}.json"


def test_an_entry_with_a_whole_artifact_stays(tmp_path: Path) -> None:
    artifact = tmp_path / "rows"
    artifact.mkdir()
    (artifact / "part").write_bytes(b"123")
    seal(artifact)
    entry = _entry(tmp_path / "cache", "a", artifact)
    assert drop_broken_entries(tmp_path / "cache") == []
    (artifact / "part").unlink()
    (problem,) = drop_broken_entries(tmp_path / "cache")
    assert problem.startswith(f"{artifact} is not whole")
    assert not entry.exists()


def test_a_torn_entry_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"rows": ')
    assert drop_broken_entries(tmp_path)[0].startswith(f"{tmp_path / 'b.json'} is damaged: Expecting value")


def test_an_entry_that_still_reads_as_one_is_known_by_its_digest(tmp_path: Path) -> None:
    cache, file = tmp_path / "cache", tmp_path / "file"
    file.touch()
    entry = _entry(cache, "c", file)
    assert drop_broken_entries(cache) == []  # of a run that was killed: nothing is known of it
    keep_digests(cache)
    assert drop_broken_entries(cache) == []
    entry.write_text(entry.read_text().replace('"number": 3', '"number": 7'))
    (problem,) = drop_broken_entries(cache)
    assert problem.startswith(f"{entry} is damaged: it is not as it was written. Lost: ")
    _entry(cache, "c", file)  # kfp's next one may differ
    assert drop_broken_entries(cache) == []


def test_an_absent_cache_is_no_error(tmp_path: Path) -> None:
    assert drop_broken_entries(tmp_path / "none") == []
