"""Runs a batch, and kills itself once a number of parts is done: `child.py BUNDLE OUT SOURCE PARTS`."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from forebay.local.batch.run import predict_sources
from forebay.state import Home, StepLog
from support.batch_runs import batch_request


class Killing(StepLog):
    """The log of a process that is killed when it has told of so many parts."""

    told = 0

    def progress(self, *_: Any) -> None:
        self.told += 1
        if self.told == int(sys.argv[4]):
            os.kill(os.getpid(), signal.SIGKILL)


log = Killing(name="predict", run_id="", home=Home.find().open(), events=Path(os.devnull))
predict_sources(batch_request(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], steplog=log, probabilities=True), log)
