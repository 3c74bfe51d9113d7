"""kfp's cache entries count only while their artifacts are whole."""

from pathlib import Path

from forebay.local.runs.cache import drop_broken_entries, drop_damaged_entries, record_digests
from forebay.state import read_json, seal, write_json
from forebay.state.sealed import MARKER


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


def test_an_entry_whose_artifact_a_step_found_damaged_is_forgotten(tmp_path: Path) -> None:
    damaged, whole = (_entry(tmp_path / "cache", name, tmp_path / name) for name in ("damaged", "whole"))
    (tmp_path / "cache" / "torn.json").write_text("{")
    drop_damaged_entries(
        tmp_path / "cache", [{"kind": "failed", "step": "train", "damaged": str(tmp_path / "damaged")}]
    )
    assert not damaged.exists()
    assert whole.exists()


def test_an_entry_of_a_version_that_kept_no_digests_is_dropped_and_so_made_anew(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "part").write_bytes(b"123")
    seal(tmp_path / "old")
    entry = _entry(tmp_path / "cache", "old", tmp_path / "old")
    marker = tmp_path / "old" / MARKER
    write_json(marker, {"bytes": read_json(marker)["bytes"]})
    drop_broken_entries(tmp_path / "cache")
    assert not entry.exists()


def test_a_torn_entry_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"rows": ')
    assert drop_broken_entries(tmp_path)[0].startswith(f"{tmp_path / 'b.json'} is damaged: Expecting value")


def test_an_entry_that_still_reads_as_one_is_known_by_its_digest(tmp_path: Path) -> None:
    cache, file = tmp_path / "cache", tmp_path / "file"
    file.touch()
    entry = _entry(cache, "c", file)
    assert drop_broken_entries(cache) == []  # of a run that was killed: nothing is known of it
    record_digests(cache)
    assert drop_broken_entries(cache) == []
    entry.write_text(entry.read_text().replace('"number": 3', '"number": 7'))
    (problem,) = drop_broken_entries(cache)
    assert problem.startswith(f"{entry} is damaged: it is not as it was written. Lost: ")
    _entry(cache, "c", file)  # kfp's next one may differ
    assert drop_broken_entries(cache) == []


def test_an_absent_cache_is_no_error(tmp_path: Path) -> None:
    assert drop_broken_entries(tmp_path / "none") == []
