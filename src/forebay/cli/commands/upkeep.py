"""Commands that look after the machine and the state folder: doctor, prune."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from forebay.cli.address import address_options, server_port
from forebay.cli.command import command
from forebay.cli.options import cluster_option, json_option
from forebay.errors import ForebayError
from forebay.select_backend import command_backend
from forebay.signals import interrupt_status
from forebay.state import Home

if TYPE_CHECKING:
    from forebay.backend.check import CheckResult
    from forebay.local.backend import LocalBackend


@command("doctor")
@address_options
@cluster_option
@click.option("--no-probe", is_flag=True, help="Of --cluster: make no pod; the look from inside is left out.")
@click.option("--image", metavar="NAME", default="", help="Of --cluster: of that pod, in place of the pipelines' own.")
@json_option
def doctor_command(host: str, port: int, cluster: bool, context: str, no_probe: bool, image: str, as_json: bool) -> int:
    """Look at Python, Java, PyTorch, disk, memory, port, state folder and S3, and say how to mend what is wrong.

    With --cluster: at the API server of the kubeconfig (in a pod its own), nodes and GPUs, storage, the kinds and
    deployments of the platform, what steps are given, rights, clocks; and, from a short-lived pod in the namespace
    kubeflow that is always deleted again, at image pull, DNS, S3, MLflow and that node's clock. It changes nothing
    else; of Secrets only the names of keys are looked at.

    Exit code 0 when everything is well, 1 otherwise.

    \b
    forebay doctor
    forebay doctor --cluster --context NAME
    """
    from forebay.cluster.backend import ClusterBackend

    backend = command_backend(
        cluster,
        local=lambda: _machine(host, port),
        cluster=lambda: ClusterBackend(context=context, probed=not no_probe, image=image),
        cluster_options={"--context": context, "--no-probe": no_probe, "--image": image},
    )
    try:
        return _report(backend.check(), as_json=as_json)
    except KeyboardInterrupt as interrupt:
        if not cluster:
            raise
        click.echo("Ended in the middle; the probe's pod, where there was one, is deleted.", err=True)
        return interrupt_status(interrupt)


def _machine(host: str, port: int) -> "LocalBackend":
    from forebay.local.backend import DEFAULT_ADDRESS, LocalBackend

    home = Home.find()
    with contextlib.suppress(OSError, ForebayError):  # a state folder that cannot be read is one of the checks
        port = server_port(home, port)
    return LocalBackend(home=home, address=replace(DEFAULT_ADDRESS, host=host, port=port))


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


@command("prune")
@click.option(
    "--keep-runs", type=click.IntRange(min=0), default=5, show_default=True, help="Newest runs that keep everything."
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
def prune_command(keep_runs: int, dry_run: bool) -> None:
    """Remove old artifacts, cache entries, checkpoints and run folders.

    The rule: the newest N runs keep everything that they made or took from the cache. Of older runs goes all that
    no kept run took from the cache, except the bundle of a served model and the folder (summary, report) of the run
    that first registered a version which still exists. Checkpoints go when they were last used before the oldest
    kept run. MLflow's database and artifacts, which hold all that registered versions need, are never touched.
    Refused while a run is in progress.
    """
    from forebay.local.retention.prune import prune

    home = Home.find().open()
    freed = 0
    for item in prune(home, keep_runs, dry_run=dry_run):
        freed += item.bytes
        click.echo(f"{_readable(item.bytes):>10}  {item.path.relative_to(home.root.resolve())}")
    click.echo(f"{_readable(freed):>10}  {'would be freed' if dry_run else 'freed'} in {home.root}")


def _readable(count: int) -> str:
    """Bytes with a fitting unit."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"
