"""`forebay quarantine`: the images that ingest did not take, each with its reason."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from forebay.cli.command import command
from forebay.cli.options import json_option
from forebay.errors import ConfigError, DamagedFileError
from forebay.local.runs.history import find_run
from forebay.state import Home, RunFolder
from forebay.state.events import read_events
from forebay.state.home import read_plan
from forebay.text import one_line


@command("quarantine")
@click.argument("where", metavar="[RUN_ID|DIR]", required=False)
@json_option
def quarantine_command(where: str | None, as_json: bool) -> None:
    """List the images that ingest did not take, with reasons.

    Each line holds path, class, reason and what was found. The images are those of the newest run, of RUN_ID, or of
    DIR, a folder that `forebay ingest` wrote. Where a run took ingest from the cache, the list is that of the run in
    which ingest ran.
    """
    rows = list(_rows(where))
    if as_json:
        click.echo(json.dumps({"quarantined": rows}, allow_nan=False))
        return
    for row in rows:
        click.echo("\t".join(map(one_line, (row["source"], row["label_name"] or "-", row["reason"], row["detail"]))))
    if not rows:
        click.echo("Nothing is quarantined.", err=True)


def _rows(where: str | None) -> Iterator[dict[str, Any]]:
    from forebay.contracts.rows import QUARANTINE
    from forebay.ingest.quarantine.table import quarantine_rows

    folder = Path(where) if where else None
    if folder is not None and folder.is_dir():
        if not (folder / QUARANTINE).is_dir():
            raise ConfigError(f"{folder} holds no {QUARANTINE}/: it is not what `forebay ingest` wrote.")
        yield from quarantine_rows(folder / QUARANTINE)
        return
    run = _run_of_ingest(Home.find().open(), where)
    yield from quarantine_rows(run.folder, f"{QUARANTINE}.parquet")


def _run_of_ingest(home: Home, run_id: str | None) -> RunFolder:
    """The run in which the ingest ran that a run used: itself, or an earlier one with the same parameters of ingest."""
    run = find_run(home, run_id)
    wanted = _ingest_parameters(run)
    for earlier in home.list_runs():
        with contextlib.suppress(DamagedFileError):  # another run may be the one that is asked for, or not
            same = earlier.run_id <= run.run_id and _ingest_parameters(earlier) == wanted
            if same and any(event["step"] == "ingest" for event in read_events(earlier.events)[0]):
                return earlier
    damaged = "" if read_events(run.events)[0] else f" {run.events} is damaged, or not there."
    raise ConfigError(
        f"Run {run.run_id} took ingest from the cache, and the run in which it ran is gone from {home.root}. "
        f"`forebay run --fresh` reads the images again.{damaged}"
    )


def _ingest_parameters(run: RunFolder) -> dict[str, Any]:
    parameters = read_plan(run).get("parameters")
    if not isinstance(parameters, dict):
        return {}
    return {key: value for key, value in parameters.items() if key.startswith("ingest_") or key == "code_version"}
