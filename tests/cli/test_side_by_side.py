"""Two `forebay evaluate` in one state folder."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from forebay.cli.main import group
from forebay.local.evaluation.isolation import result_lock
from forebay.state import Home
from support.forebay_command import Forebay


def test_with_other_outs_they_run_at_once(digits_shards: Path, digits_bundle: Path, tmp_path: Path) -> None:
    cli = Forebay(tmp_path)
    words = ("evaluate", digits_bundle, "--data", digits_shards, "--json")
    started = [cli.start(*words, "--out", name) for name in ("one", "two")]
    for process in started:
        out, errors = process.communicate(timeout=1200)
        assert process.returncode == 0, errors
        assert '"passed": true' in out
    assert (tmp_path / "one" / "report.html").is_file()
    assert (tmp_path / "two" / "report.html").is_file()


@pytest.mark.parametrize("given", [True, False])
def test_one_result_is_written_by_one_at_a_time_and_the_other_is_named(
    digits_shards: Path, digits_bundle: Path, home: Home, tmp_path: Path, given: bool
) -> None:
    out = tmp_path / "result" if given else home.evaluation / "result"
    words = ["evaluate", str(digits_bundle), "--data", str(digits_shards), *(["--out", str(out)] if given else [])]
    with result_lock(home, out):
        answer = CliRunner().invoke(group, words)
    assert answer.exit_code == 2
    assert f"--out: {out} is being written by `forebay evaluate --out {out}` (process " in answer.stderr
    assert not out.exists()
