"""The program of each machine in a TrainJob: it runs torchrun with the variables that Kubeflow Trainer sets.

torchrun ends with 1 whatever a process ended with. This program ends with the process's own status, so that the cluster
restarts what was preempted and does not restart what would fail again.
"""

import sys


def main() -> int:
    """Run the worker under torchrun; returns the exit status of the first process that failed."""
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.main(["-m", "forebay.train.nodes.worker", *sys.argv[1:]])
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        print(error, file=sys.stderr, flush=True)
        return failure.exitcode if failure.exitcode > 0 else 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
