"""Commands that look after the machine and the state folder: doctor, prune."""

import contextlib
import json
from dataclasses import asdict

import click

from forebay.cli.address import address_options, server_port
from forebay.cli.command import command
from forebay.cli.options import json_option
from forebay.errors import ForebayError
from forebay.state import Home


@command("doctor")
@address_options
@json_option
def doctor_command(host: str, port: int, as_json: bool) -> int:
    """Look at Python, Java, PyTorch, disk, memory, port, state folder and S3, and say how to mend what is wrong.

    Exit code 0 when everything is well, 1 otherwise.
    """
    from forebay.doctor.checks import all_checks

    home = Home.find()
    with contextlib.suppress(OSError, ForebayError):  # a state folder that cannot be read is one of the checks
        port = server_port(home, port)
    checks = []
    for check in all_checks(home, host, port):
        checks.append(check)
        if not as_json:
            click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<12} {check.detail}")
            if check.fix:
                click.echo(f"{'':<19}{check.fix}")
    ok = all(check.ok for check in checks)
    if as_json:
        click.echo(json.dumps({"ok": ok, "checks": [asdict(check) for check in checks]}))
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
    from forebay.engine.prune import prune

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
