"""Checkpoints are whole or absent."""

import hashlib
from pathlib import Path

import pytest
import torch

from forebay.train.checkpoints.checkpoint import checkpoint_key
from forebay.train.checkpoints.checkpoint_store import CheckpointStore


@pytest.fixture
def checkpoints(tmp_path: Path) -> CheckpointStore:
    """An empty folder for checkpoints."""
    folder = tmp_path / "key"
    folder.mkdir()
    return CheckpointStore(folder)


def refuse_warning(text: str) -> None:
    raise AssertionError(text)


def save(checkpoints: CheckpointStore, step: int) -> None:
    checkpoints.save(step, {"weight": torch.full((2,), float(step))}, {"step": step, "loss": 0.1})


def test_tensors_and_facts_come_back_exactly(checkpoints: CheckpointStore) -> None:
    tensors = {"a": torch.tensor([0.1, 1e-40]), "b": torch.tensor(7), "c": torch.ones(2, dtype=torch.float64) / 3}
    checkpoints.save(3, tensors, {"step": 3, "loss": 0.1 + 0.2})
    saved = checkpoints.load(refuse_warning)
    assert saved is not None
    assert saved.facts == {"step": 3, "loss": 0.1 + 0.2}
    assert all(torch.equal(saved.tensors[name], tensor) for name, tensor in tensors.items())


def test_the_newest_is_read_and_only_two_are_kept(checkpoints: CheckpointStore) -> None:
    for step in (8, 9, 10):
        save(checkpoints, step)
    saved = checkpoints.load(refuse_warning)
    assert saved is not None
    assert saved.facts["step"] == 10
    assert [path.name[:15] for path in sorted(checkpoints.folder.iterdir())] == ["step-0000000009", "step-0000000010"]


@pytest.mark.parametrize("damage", [b"", b"torn", None])
def test_a_damaged_file_is_named_removed_and_the_one_before_is_read(
    checkpoints: CheckpointStore, damage: bytes | None
) -> None:
    save(checkpoints, 1)
    save(checkpoints, 2)
    newest = max(checkpoints.folder.iterdir())
    whole = newest.read_bytes()
    newest.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if damage is None else damage)
    warnings: list[str] = []
    saved = checkpoints.load(warnings.append)
    assert saved is not None
    assert saved.facts["step"] == 1
    assert newest.name in warnings[0]
    assert not newest.exists()


def test_a_file_with_a_right_digest_that_is_no_checkpoint_is_refused(checkpoints: CheckpointStore) -> None:
    data = b"\x80\x04not safetensors"
    (checkpoints.folder / f"step-0000000001.{hashlib.sha256(data).hexdigest()}").write_bytes(data)
    warnings: list[str] = []
    assert checkpoints.load(warnings.append) is None
    assert len(warnings) == 1


def test_clearing_leaves_only_the_lock_and_gives_a_new_training_id(checkpoints: CheckpointStore) -> None:
    before = checkpoints.training_id(print)
    assert before == checkpoints.training_id(print)
    save(checkpoints, 1)
    with checkpoints.lock.held("a test"):
        checkpoints.clear()
    assert [path.name for path in checkpoints.folder.iterdir()] == ["lock"]
    assert checkpoints.training_id(print) != before


def test_the_key_follows_every_part_and_not_their_order() -> None:
    assert checkpoint_key({"a": 1, "b": [2]}) == checkpoint_key({"b": [2], "a": 1})
    assert checkpoint_key({"a": 1, "b": [2]}) != checkpoint_key({"a": 1, "b": [3]})
