"""One place decides between this machine and a cluster, for a step and for a command."""

from dataclasses import replace

import pytest

from forebay.cluster.backend import ClusterBackend
from forebay.errors import ConfigError
from forebay.local.backend import LocalBackend
from forebay.select_backend import command_backend, step_backend
from forebay.state import Home, StepLog


def test_a_step_that_a_command_line_runs_stays_on_this_machine_and_one_in_a_pod_on_its_cluster(
    steplog: StepLog,
) -> None:
    here = step_backend(steplog)
    assert isinstance(here, LocalBackend)
    assert here.home == steplog.home
    assert (here.ingest_executor, here.train_executor) == (None, None)
    there = step_backend(replace(steplog, events=None))
    assert isinstance(there, ClusterBackend)
    assert there.ingest_executor is not None
    assert there.train_executor is not None


def test_the_target_of_deploy_overrules_where_the_step_runs(steplog: StepLog) -> None:
    assert isinstance(step_backend(steplog, "kserve"), ClusterBackend)
    assert isinstance(step_backend(replace(steplog, events=None), "local"), LocalBackend)


def test_only_the_backend_that_a_command_asks_for_is_made(home: Home) -> None:
    def never() -> ClusterBackend:
        raise AssertionError

    assert command_backend(False, local=lambda: LocalBackend(home=home), cluster=never) == LocalBackend(home=home)
    assert command_backend(True, local=never, cluster=ClusterBackend) == ClusterBackend()


def test_an_option_of_the_other_backend_is_refused_by_its_name(home: Home) -> None:
    with pytest.raises(ConfigError, match="--context, --image go with --cluster"):
        command_backend(
            False,
            local=lambda: LocalBackend(home=home),
            cluster=ClusterBackend,
            cluster_options={"--context": "kind", "--namespace": "", "--image": "x"},
        )
    with pytest.raises(ConfigError, match=r"--set goes without --cluster: a cluster keeps its own\."):
        command_backend(
            True,
            local=lambda: LocalBackend(home=home),
            cluster=ClusterBackend,
            local_options={"--set": (("a=b",), "a cluster keeps its own")},
        )
