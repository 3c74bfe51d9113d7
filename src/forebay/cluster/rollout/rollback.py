"""A rollback on a cluster, as a pod beside the steps runs it: `python3 -m forebay.cluster.rollout.rollback`.

Inside the cluster the registry, the store and the model's own address are known, and the steps' account may serve a
version. So a person's machine only has to reach the API server; see `rollback_pod`.
"""

import json
import sys
from dataclasses import asdict, dataclass

from forebay.errors import ForebayError
from forebay.signals import signal_guard
from forebay.state import Home
from forebay.state.mask import without_passwords

RESULT_KEY = "forebay_rollback"  # the pod ends with a line of JSON under this key


@dataclass(frozen=True, kw_only=True)
class RollbackResult:
    """What a rollback led to."""

    version: str = ""  # the version that is champion again
    url: str = ""  # its V1 predict path, inside the cluster
    error: str = ""  # why there was no rollback; empty where there was one
    is_wrong_use: bool = False  # there is no earlier version, or the champion is served elsewhere


def main(arguments: list[str]) -> int:
    """Roll back, and print the result as the last line."""
    name, namespace = arguments
    with signal_guard():  # a pod's first process ignores signals that it installs no handler for
        result = _roll_back(name, namespace)
    print(json.dumps({RESULT_KEY: asdict(result)}), flush=True)
    return 1 if result.error else 0


def _roll_back(name: str, namespace: str) -> RollbackResult:
    from forebay import registry
    from forebay.cluster.rollout.served_versions import roll_back

    failures: tuple[type[Exception], ...] = (ForebayError, *registry.registry_errors())
    try:
        home = Home.find().open()
        version, url = roll_back(home, name, namespace, "rollback", lambda text: print(text, flush=True))
    except failures as error:
        problem = str(error) if isinstance(error, ForebayError) else f"MLflow's registry: {error}"
        is_wrong_use = isinstance(error, registry.NoRollbackTargetError)
        return RollbackResult(error=without_passwords(problem), is_wrong_use=is_wrong_use)
    return RollbackResult(version=version, url=url)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
