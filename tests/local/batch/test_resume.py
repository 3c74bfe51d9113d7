"""A killed batch goes on, and its result is that of one that was not; anything that changed makes it begin anew."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from forebay.errors import LockHeldError
from forebay.state import FileLock, StepLog
from forebay.state.events import read_events
from support.batch_runs import RunBatch


@pytest.fixture(scope="module")
def killed(bundles: Path, many: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a batch that was killed after its first part; to copy."""
    folder = tmp_path_factory.mktemp("killed")
    words = [str(bundles / "grey"), str(folder / "p.parquet"), str(many), "1"]
    places = os.pathsep.join(filter(None, sys.path))
    environment = os.environ | {"FOREBAY_HOME": str(folder / "home"), "PYTHONPATH": places}
    child = Path(__file__).with_name("child.py")
    done = subprocess.run([sys.executable, str(child), *words], env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    shutil.rmtree(folder / "home")
    return folder


def events(steplog: StepLog, kind: str) -> list[str]:
    assert steplog.events is not None
    return [event["text"] for event in read_events(steplog.events)[0] if event["kind"] == kind]


def test_a_killed_batch_goes_on_and_writes_the_bytes_of_one_that_was_not_killed(
    run_batch: RunBatch, steplog: StepLog, bundles: Path, many: Path, killed: Path, tmp_path: Path
) -> None:
    shutil.copytree(killed, tmp_path / "again")
    assert not (tmp_path / "again" / "p.parquet").exists()
    again = run_batch(bundles / "grey", tmp_path / "again" / "p.parquet", many, probabilities=True)
    whole = run_batch(bundles / "grey", tmp_path / "whole.parquet", many, probabilities=True)
    assert (again.resumed, whole.resumed) == (256, 0)
    assert events(steplog, "waiting") == ["Goes on: 256 of 700 images were done before."]
    assert (again.rows, again.quarantined) == (whole.rows, whole.quarantined) == (693, {"unreadable": 7})
    for name in ("{}.parquet", "{}.quarantine.parquet"):
        ours, theirs = tmp_path / "again" / name.format("p"), tmp_path / name.format("whole")
        assert ours.read_bytes() == theirs.read_bytes()
    assert [row["source"] for row in pq.read_table(tmp_path / "whole.parquet", columns=["source"]).to_pylist()] == [
        f"{many}/{number:04d}.png" for number in range(700) if number % 100
    ]
    left = sorted(path.name for path in (tmp_path / "again").iterdir())
    assert left == ["p.parquet", "p.quarantine.parquet"], "the parts are gone"


@pytest.mark.parametrize("change", ["the model", "the content of the sources", "the settings", "the list of sources"])
def test_what_changed_is_told_and_the_batch_begins_anew(
    run_batch: RunBatch, steplog: StepLog, bundles: Path, many: Path, killed: Path, tmp_path: Path, change: str
) -> None:
    shutil.copytree(killed, tmp_path / "again")
    out, few, settings = tmp_path / "again" / "p.parquet", tmp_path / "few", {"probabilities": True}
    source, bundle = many, bundles / "grey"
    if change == "the model":
        bundle = bundles / "colour"
    elif change == "the settings":
        settings = {"probabilities": False}
    else:
        few.mkdir()
        shutil.copy(many / "0001.png", few)
        source = few
    result = run_batch(bundle, out, source, **settings)
    assert result.resumed == 0
    [told] = [text for text in events(steplog, "warning") if text.startswith("Begins anew: ")]
    assert change in told
    assert told.endswith("changed since the batch that was interrupted.")


def test_two_batches_never_write_the_same_table_at_once(
    run_batch: RunBatch, bundles: Path, photos: Path, tmp_path: Path
) -> None:
    with FileLock(tmp_path / "p.parquet.parts" / "lock").held("forebay predict"), pytest.raises(LockHeldError):
        run_batch(bundles / "grey", tmp_path / "p.parquet", photos)
