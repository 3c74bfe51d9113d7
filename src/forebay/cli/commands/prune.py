"""`forebay prune`: removes what old runs left in the state folder."""

import click

from forebay.cli.command import command
from forebay.state import Home


@command("prune")
@click.option(
    "--keep-runs", type=click.IntRange(min=0), default=5, show_default=True, help="Newest runs that keep everything."
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
def prune_command(keep_runs: int, dry_run: bool) -> None:
    """Remove what old runs left and nothing needs any more.

    The newest N runs keep everything that they made or took from the cache. Artifacts and cache entries of older runs
    are removed unless a kept run took them from the cache or they hold the bundle of a served model. The folder
    (summary, report) of the run that first registered an existing version stays. Checkpoints that were last used before
    the oldest kept run are removed. MLflow's database and artifacts, which hold all that registered versions need,
    stay. Nothing is removed while a run is in progress; --dry-run tells the numbers of that moment.
    """
    from forebay.local.retention.prune import prune

    home = Home.find().open()
    if dry_run and home.lock.is_held():
        click.echo(
            f"{home.root} is in use by {home.lock.holder() or 'another process'}: these are the numbers of now, and "
            "nothing can be removed before it has ended.",
            err=True,
        )
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
