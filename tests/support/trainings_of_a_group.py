"""What torchrun starts in each of several processes: trainings one after the other, DATASET OUT CASES.

CASES is JSON, the settings of each training by the name of its folder in OUT. A process imports for seconds and trains
for one; `forebay.train.nodes.worker`, which trains once, is started so where starting it is the claim.
"""

import json
import sys
from pathlib import Path

from forebay.settings import TrainConfig
from forebay.state import step
from forebay.train.process_group import join_process_group, leave_process_group
from forebay.train.step import fit, train_other_rank


def main() -> None:
    dataset, out = map(Path, sys.argv[1:3])
    group = join_process_group()
    for name, settings in json.loads(sys.argv[3]).items():
        config = TrainConfig(**settings)
        if not group.is_rank0:
            train_other_rank(dataset, config, group)
            continue
        with step("train") as log:
            fit(dataset, out / name, config, log, group)
    leave_process_group()


if __name__ == "__main__":
    main()
