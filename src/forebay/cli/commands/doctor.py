"""`forebay doctor`: checks of this machine or of a cluster, each with what mends it."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from forebay.cli.command import command
from forebay.cli.options import cluster_option, cluster_timeouts, json_option
from forebay.cli.server_options import address_options, server_port
from forebay.errors import ForebayError
from forebay.select_backend import command_backend
from forebay.state import Home

if TYPE_CHECKING:
    from forebay.backend.check import CheckResult
    from forebay.local.backend import LocalBackend


@command("doctor")
@address_options
@cluster_option
@click.option("--no-probe", is_flag=True, help="With --cluster: make no pod, and leave out the checks from inside.")
@click.option(
    "--image",
    metavar="NAME",
    default="",
    help="With --cluster: container image of that pod, in place of the pipelines' own.",
)
@json_option
def doctor_command(host: str, port: int, cluster: bool, context: str, no_probe: bool, image: str, as_json: bool) -> int:
    """Check this machine or a cluster, and say what to mend.

    On this machine it checks Python, Java, PyTorch, disk, memory, port, state folder and S3.

    With --cluster it checks the API server of the kubeconfig (in a pod its own), nodes and GPUs, storage, the kinds and
    deployments of the platform, the environment of steps, rights and clocks. A short-lived pod in the namespace
    kubeflow, which is always deleted again, checks image pull, DNS, S3, MLflow and the clock of its node. Nothing else
    is changed, and only the names of the keys of Secrets are read.

    The exit code is 0 when everything is well, and 1 otherwise.

    \b
    forebay doctor
    forebay doctor --cluster --context NAME
    """
    from forebay.cluster.backend import ClusterBackend

    backend = command_backend(
        cluster,
        local=lambda: _machine(host, port),
        cluster=lambda: ClusterBackend(timeouts=cluster_timeouts(), context=context, probed=not no_probe, image=image),
        cluster_options={"--context": context, "--no-probe": no_probe, "--image": image},
    )
    return _report(backend.check(), as_json=as_json)


def _machine(host: str, port: int) -> "LocalBackend":
    from forebay.local.backend import DEFAULT_SERVER_OPTIONS, LocalBackend

    home = Home.find()
    with contextlib.suppress(OSError, ForebayError):  # a state folder that cannot be read is one of the checks
        port = server_port(home, port)
    return LocalBackend(home=home, server_options=replace(DEFAULT_SERVER_OPTIONS, host=host, port=port))


def _report(checks: "Iterator[CheckResult]", *, as_json: bool) -> int:
    """Print checks as they come, or all of them as one object."""
    made = []
    for check in checks:
        made.append(check)
        if not as_json:
            click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<15} {check.detail}")
            if check.fix:
                click.echo(f"{'':<22}{check.fix}")
    ok = all(check.ok for check in made)
    if as_json:
        click.echo(json.dumps({"ok": ok, "checks": [asdict(check) for check in made]}))
    return 0 if ok else 1
