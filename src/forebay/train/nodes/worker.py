"""What torchrun starts in each process: `python -m forebay.train.nodes.worker DATASET OUT SETTINGS`.

DATASET and OUT are folders or `s3://` URIs; SETTINGS is TrainConfig as JSON. Rank 0 writes into OUT and says in its log
what it does; the others train with it.
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
from forebay.train.nodes.transfer import get_folder, put_folder

if TYPE_CHECKING:
    from forebay.train.team import Team

PERMANENT = 65  # exit status of what another try would not mend


def main(arguments: Sequence[str]) -> int:
    """Train as one process of several; the exit status."""
    dataset, out, settings = arguments
    from forebay.train import team

    try:
        mine = team.join()
        try:
            _train(dataset, out, TrainConfig(**json.loads(settings)), mine)
        finally:
            team.leave()
    except ForebayError as error:
        print(f"rank {os.environ.get('RANK', '0')}: {error}", file=sys.stderr, flush=True)
        return PERMANENT
    return 0


def _train(dataset: str, out: str, config: TrainConfig, mine: "Team") -> None:
    from forebay.state import step
    from forebay.train.step import fit, follow

    shards = _fetched(dataset, mine)
    if not mine.leads:
        follow(shards, config, mine)
        return
    with step("train") as log:
        folder = Path(tempfile.mkdtemp(prefix="forebay-bundle-")) if is_s3_uri(out) else Path(out)
        result = fit(shards, folder, config, log, mine)
        if is_s3_uri(out):
            put_folder(folder, ObjectFolder.parse(out, "OUT"), {"metrics": result.metrics})


def _fetched(dataset: str, mine: "Team") -> Path:
    """The dataset on this machine; its first process fetches it for all."""
    if not is_s3_uri(dataset):
        return Path(dataset)
    store = ObjectFolder.parse(dataset, "DATASET")
    folder = Path(tempfile.gettempdir()) / "forebay-shards" / store.uri.rpartition("/")[2]
    if os.environ.get("LOCAL_RANK", "0") == "0":
        get_folder(store, folder)
    mine.agree(True)  # none goes on before all have it
    return folder


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
