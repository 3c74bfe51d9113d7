"""Evaluations beside each other in one state folder."""

from pathlib import Path

import pytest

from forebay.errors import LockHeldError
from forebay.local.evaluation.isolation import result_lock, work_folder
from forebay.state import Home


def test_two_results_are_written_at_once_and_one_result_is_refused_by_name(home: Home, tmp_path: Path) -> None:
    with result_lock(home, tmp_path / "a"), result_lock(home, tmp_path / "b"):
        link = tmp_path / "link"
        link.symlink_to(tmp_path / "a")
        for same in (tmp_path / "a", tmp_path / "b" / ".." / "a", link):
            with (
                pytest.raises(LockHeldError, match="is being written by `forebay evaluate --out") as raised,
                result_lock(home, same),
            ):
                pass
            assert str(raised.value).startswith(f"--out: {same} is being written by ")
            assert "Give another --out" in str(raised.value)
    with result_lock(home, tmp_path / "a"):
        pass


def test_each_works_in_a_folder_of_its_own_and_clears_what_killed_ones_left(home: Home) -> None:
    killed = home.evaluation / "work" / "killed"
    (killed / "data").mkdir(parents=True)
    (killed / "lock").write_text("")
    with work_folder(home) as first:
        (first / "data").mkdir()
        with work_folder(home) as second:
            assert first != second
            assert (first / "data").is_dir(), "one that works is left alone"
        assert not second.exists()
        assert not killed.exists()
    assert list((home.evaluation / "work").iterdir()) == []
