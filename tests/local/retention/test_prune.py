"""Prune removes what nothing needs, and nothing else: a state folder with real files, laid out as runs leave it."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from forebay.cli.main import group
from forebay.errors import LockHeldError
from forebay.local.retention.inventory import RunRecord, StateInventory
from forebay.local.retention.plan import plan_removal
from forebay.local.retention.prune import prune
from forebay.serving.state import DesiredModel, ServingFiles, write_desired
from forebay.state import FileLock, Home, RunFolder, is_sealed, seal, write_json

DAY_S = 86_400


class Planted:
    """Runs of a state folder, the oldest first; run 1 is a day older than run 2."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def run(self, day: int, log: str = "") -> RunFolder:
        run = RunFolder(self.home.runs / f"202611{day:02d}-120000-aaaa")
        run.folder.mkdir(parents=True)
        write_json(run.plan, {})
        run.events.write_text("")
        run.engine_log.write_text(log)
        for path in (run.plan, run.folder):
            os.utime(path, (day * DAY_S, day * DAY_S))
        return run

    def artifact(self, day: int, task: str) -> Path:
        folder = self.home.artifacts / f"forebay-training-2026-11-{day:02d}-12-00-00-000000" / task / "out"
        folder.mkdir(parents=True)
        (folder / "data").write_bytes(b"x" * 1000)
        seal(folder)
        return folder

    def entry(self, name: str, artifact: Path) -> Path:
        path = self.home.cache / f"{name * 64}.json"
        write_json(path, {"out": {"__kfp_artifact__": True, "uri": str(artifact), "name": "out"}})
        return path

    def checkpoint(self, name: str, day: int) -> Path:
        folder = self.home.checkpoints / name
        folder.mkdir(parents=True)
        for path in (folder / "step-1.abc", folder / "lock", folder):
            if path != folder:
                path.write_bytes(b"y" * 500)
            os.utime(path, (day * DAY_S, day * DAY_S))
        return folder


@pytest.fixture
def planted(home: Home) -> Planted:
    return Planted(home)


def removed(home: Home, keep_runs: int) -> list[Path]:
    return [item.path for item in prune(home, keep_runs)]


def test_what_only_old_runs_used_goes_and_what_the_newest_used_stays(planted: Planted) -> None:
    old, new = planted.run(1), planted.run(2)
    gone, stays = planted.artifact(1, "train"), planted.artifact(2, "train")
    gone_entry, stays_entry = planted.entry("a", gone), planted.entry("b", stays)
    assert set(removed(planted.home, 1)) == {gone_entry, gone.parent, old.folder}
    assert is_sealed(stays)
    assert stays_entry.exists()
    assert new.folder.exists()
    assert not gone.parents[1].exists()


def test_an_artifact_that_a_kept_run_took_from_the_cache_stays_in_its_old_folder(planted: Planted) -> None:
    planted.run(1)
    planted.run(2, log=f"INFO - Task ingest cache hit (key={'a' * 12}); skipping execution")
    rows, bundle = planted.artifact(1, "ingest"), planted.artifact(1, "train")
    entry = planted.entry("a", rows)
    planted.artifact(2, "evaluate")
    assert bundle.parent in removed(planted.home, 1)
    assert is_sealed(rows)
    assert entry.exists()


def test_an_artifact_that_a_kept_run_names_stays_with_its_entry(planted: Planted) -> None:
    rows = planted.artifact(1, "ingest")
    planted.artifact(2, "evaluate")
    entry = planted.entry("a", rows)
    planted.run(2, log=f"Dataset( name='rows', uri='{rows}', metadata={{}} )")
    assert removed(planted.home, 1) == []
    assert is_sealed(rows)
    assert entry.exists()


def test_a_served_bundle_stays_wherever_it_lies(planted: Planted) -> None:
    bundle = planted.artifact(1, "train")
    entry = planted.entry("a", bundle)
    planted.run(1)
    planted.run(2)
    planted.artifact(2, "train")
    write_desired(
        ServingFiles.of(planted.home), 1, {"digits": DesiredModel(bundle=str(bundle), version="1", weights_sha256="0")}
    )
    assert entry in removed(planted.home, 1)
    assert is_sealed(bundle)


def test_the_registry_s_files_are_never_touched(planted: Planted) -> None:
    planted.run(1)
    model = planted.home.mlflow_artifacts / "models" / "m-1" / "weights.safetensors"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"weights")
    removed(planted.home, 0)
    assert model.read_bytes() == b"weights"


def test_checkpoints_go_when_last_used_before_the_oldest_kept_run(planted: Planted) -> None:
    planted.run(2)
    old, new = planted.checkpoint("old", 1), planted.checkpoint("new", 3)
    assert removed(planted.home, 1) == [old]
    assert new.is_dir()


def test_a_checkpoint_that_a_training_uses_stays(planted: Planted) -> None:
    planted.run(2)
    folder = planted.checkpoint("busy", 1)
    with FileLock(folder / "lock").held("another training"):
        os.utime(folder / "lock", (DAY_S, DAY_S))
        assert removed(planted.home, 1) == []
    assert (folder / "step-1.abc").exists()


def test_fewer_runs_than_to_be_kept_lose_nothing(planted: Planted) -> None:
    planted.run(1)
    planted.entry("a", planted.artifact(1, "ingest"))
    planted.checkpoint("of-a-training-outside-any-run", 0)
    assert removed(planted.home, 5) == []


def test_pruning_twice_is_fine_and_so_is_an_empty_home(planted: Planted) -> None:
    assert removed(planted.home, 1) == []
    planted.run(1)
    planted.run(2)
    planted.artifact(1, "ingest")
    planted.artifact(2, "ingest")
    assert len(removed(planted.home, 1)) == 2
    assert removed(planted.home, 1) == []


def test_an_unreadable_cache_entry_goes(planted: Planted) -> None:
    broken = planted.home.cache / "broken.json"
    broken.parent.mkdir()
    broken.write_text("{")
    assert removed(planted.home, 5) == [broken]


def test_entries_go_before_their_artifacts_so_a_kill_leaves_no_dangling_hit(planted: Planted) -> None:
    entry = planted.entry("a", planted.artifact(1, "ingest"))
    planted.run(1)
    steps = prune(planted.home, 0)
    assert next(steps).path == entry
    steps.close()  # as a kill would: the lock is free again and the next call goes on
    assert len(removed(planted.home, 0)) == 2


def test_a_folder_that_is_reached_by_another_name_is_the_same_folder(planted: Planted, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(planted.home.root)
    bundle = planted.artifact(1, "train")
    planted.run(1)
    write_desired(
        ServingFiles.of(planted.home), 1, {"a": DesiredModel(bundle=str(bundle), version="1", weights_sha256="0")}
    )
    removed(Home(link), 0)
    assert is_sealed(bundle)


def test_nothing_is_removed_while_a_run_is_in_progress(planted: Planted) -> None:
    run = planted.run(1)
    with planted.home.lock.held("`forebay run`"), pytest.raises(LockHeldError, match="forebay run"):
        removed(planted.home, 0)
    assert run.folder.exists()


def test_the_run_that_first_registered_a_version_stays_until_the_version_goes() -> None:
    def facts(day: int) -> RunRecord:
        return RunRecord(folder=Path(str(day)), started=float(day), text="", registered=("digits", "1"))

    def inventory(versions: set[tuple[str, str]]) -> StateInventory:
        runs = [facts(3), facts(2), facts(1)]
        return StateInventory(runs=runs, entries={}, tasks=[], checkpoints={}, versions=versions, served=[])

    assert plan_removal(inventory({("digits", "1")}), 1).runs == [Path("2")]
    assert plan_removal(inventory(set()), 1).runs == [Path("2"), Path("1")]


def test_the_command_says_what_goes_and_a_dry_run_removes_nothing(planted: Planted) -> None:
    def command(*arguments: str) -> str:
        return CliRunner().invoke(group, ["prune", *arguments], catch_exceptions=False).stdout

    old = planted.run(1)
    planted.run(2)
    artifact = planted.artifact(1, "train")
    planted.artifact(2, "train")
    shown = command("--keep-runs", "1", "--dry-run")
    assert f"runs/{old.run_id}" in shown
    assert str(artifact.parent.relative_to(planted.home.root)) in shown
    assert "would be freed" in shown
    assert is_sealed(artifact)
    assert command("--keep-runs", "1").splitlines()[:-1] == shown.splitlines()[:-1]
    assert not artifact.exists()
    assert "0 B  freed" in command("--keep-runs", "1")
    assert json.loads((planted.home.root / "format.json").read_text())


def test_a_dry_run_works_while_a_run_goes_on_and_says_so(planted: Planted) -> None:
    old, _ = planted.run(1), planted.run(2)
    planted.artifact(1, "train")
    planted.artifact(2, "train")
    with planted.home.lock.held("`forebay run` started now"):
        dry = CliRunner().invoke(group, ["prune", "--dry-run", "--keep-runs", "1"])
        real = CliRunner().invoke(group, ["prune", "--keep-runs", "1"])
    assert dry.exit_code == 0
    assert "is in use by `forebay run` started now" in dry.stderr
    assert "these are the numbers of now" in dry.stderr
    assert "would be freed" in dry.stdout
    assert real.exit_code == 2
    assert old.folder.exists()
