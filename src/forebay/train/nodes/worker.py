"""The program that torchrun starts in each process: `python -m forebay.train.nodes.worker DATASET OUT SETTINGS`.

DATASET and OUT are folders or `s3://` URIs; SETTINGS is TrainConfig as JSON. Rank 0 writes into OUT and logs what it
does; the others train with it.
"""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from forebay.errors import ForebayError
from forebay.object_store import ObjectFolder, is_s3_uri
from forebay.settings import TrainConfig
from forebay.train.nodes.transfer import download_folder, upload_folder

if TYPE_CHECKING:
    from forebay.train.process_group import ProcessGroup

PERMANENT_FAILURE = 65  # exit status of an error that another try would repeat


def main(arguments: Sequence[str]) -> int:
    """Train as one process of several; returns the exit status."""
    dataset, out, settings = arguments
    from forebay.train.process_group import join_process_group, leave_process_group

    try:
        group = join_process_group()
        try:
            _train(dataset, out, TrainConfig(**json.loads(settings)), group)
        finally:
            leave_process_group()
    except ForebayError as error:
        print(f"rank {os.environ.get('RANK', '0')}: {error}", file=sys.stderr, flush=True)
        return PERMANENT_FAILURE
    return 0


def _train(dataset: str, out: str, config: TrainConfig, group: "ProcessGroup") -> None:
    from forebay.state import step
    from forebay.train.step import fit, train_other_rank

    shards = _download(dataset, group)
    if not group.is_rank0:
        train_other_rank(shards, config, group)
        return
    with step("train") as log:
        folder = Path(tempfile.mkdtemp(prefix="forebay-bundle-")) if is_s3_uri(out) else Path(out)
        result = fit(shards, folder, config, log, group)
        if is_s3_uri(out):
            upload_folder(folder, ObjectFolder.parse(out, "OUT"), {"metrics": result.metrics})


def _download(dataset: str, group: "ProcessGroup") -> Path:
    """Bring the dataset to this machine; its first process downloads it for all."""
    if not is_s3_uri(dataset):
        return Path(dataset)
    store = ObjectFolder.parse(dataset, "DATASET")
    folder = Path(tempfile.gettempdir()) / "forebay-shards" / store.uri.rpartition("/")[2]
    if os.environ.get("LOCAL_RANK", "0") == "0":
        download_folder(store, folder)
    group.any_rank(True)  # no process goes on before the dataset is on every machine
    return folder


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
