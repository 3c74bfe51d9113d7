"""What runs in each machine of a TrainJob: torchrun, from the variables that Kubeflow Trainer sets.

torchrun ends with 1 whatever a process ended with; here its status is that of the process, so that the cluster starts
again what was preempted, and not what would fail again.
"""

import sys


def main() -> int:
    """Run torchrun with this program's arguments for the worker; the exit status of the first process that failed."""
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
