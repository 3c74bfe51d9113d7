"""Single steps outside any run: ingest, train, evaluate."""

import json
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from forebay.backend.summary import Summary
from forebay.cli.command import command
from forebay.cli.options import json_option, require_writable
from forebay.cli.quiet import libraries_print_to
from forebay.cli.render import RunView, print_summary
from forebay.errors import ConfigError, ExitCode
from forebay.local.checks.logins import check_checkpoint_store, check_mlflow, check_source
from forebay.local.checks.preflight import check_before_steps
from forebay.local.evaluation.apart import result_lock, work_folder
from forebay.settings import parse_assignments
from forebay.settings.cluster_only import check_for_this_machine
from forebay.settings.keys import Scalar
from forebay.signals import before_forced_exit, raise_on_signals
from forebay.state import Home
from forebay.state.file_modes import apply_user_umask
from forebay.state.sealed import MARKER

if TYPE_CHECKING:
    from forebay.contracts.evaluation import EvaluationResult

ROWS_FOLDER = ("rows", "quarantine", "manifest.json", ".work-*", MARKER)  # what a command writes into --out
TRAIN_FOLDER = ("shards", "bundle")

Result = TypeVar("Result")

_out_type = click.Path(file_okay=False, path_type=Path)
_set_option = click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change a setting; `forebay run --settings` lists them.",
)


@command("ingest")
@click.option("--data", metavar="PATH_OR_URI", required=True, help="As in `forebay run`; digits is the built-in data.")
@click.option("--out", metavar="DIR", type=_out_type, required=True, help="Folder to write.")
@_set_option
@json_option
def ingest_command(data: str, out: Path, assignments: tuple[str, ...], as_json: bool) -> None:
    """Read images into a folder: a Parquet table, a quarantine table with reasons, and a manifest."""
    from forebay.local.runs.steps import ingest_config, run_ingest

    values = _settings([f"ingest.data={data}", *assignments], "ingest")
    Home.find().open(writing=True)
    check_out(out, ROWS_FOLDER)
    if Path(data).resolve().is_relative_to(out.resolve()):
        raise ConfigError(f"--out: {data} lies in {out}, which would be emptied before it is read. Give a new folder.")
    check_source(data)
    config = ingest_config(values)
    check_before_steps(out, spark=True)
    manifest, summary = _call(lambda: run_ingest(out, config))
    apply_user_umask(out)
    kept = {
        "rows": manifest.rows, "classes": len(manifest.classes), "digest": manifest.digest,
        "quarantined": manifest.quarantined,
    }  # fmt: skip
    if as_json:
        _print_json(summary, data=kept, out=str(out))
        return
    print_summary(Console(), summary | {"data": kept})
    click.echo(f"\nWrote {out}. Go on with `forebay train {out} --out DIR`.")


@command("train")
@click.argument("dataset", metavar="DATASET_DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", metavar="DIR", type=_out_type, required=True, help="Folder to write: shards and bundle.")
@_set_option
@json_option
def train_command(dataset: Path, out: Path, assignments: tuple[str, ...], as_json: bool) -> None:
    """Split what `forebay ingest` wrote and fit a model: DIR/shards and DIR/bundle.

    An interrupted training goes on from its last checkpoint when the same command is given again.
    """
    from forebay.local.evaluation.held_out import read_ingest_output
    from forebay.local.runs.steps import run_preprocess, run_train

    values = _settings(assignments, "preprocess", "train")
    home = Home.find().open(writing=True)
    read_ingest_output(dataset)
    check_out(out, TRAIN_FOLDER)
    check_before_steps(out, spark=False)
    check_mlflow(home, needed=False)
    check_checkpoint_store()

    def steps() -> Any:
        run_preprocess(dataset, out / "shards", values)
        return run_train(out / "shards", out / "bundle", values)

    result, summary = _call(steps)
    apply_user_umask(out)
    bundle = out / "bundle"
    if as_json:
        model = {"architecture": result.spec.architecture, "weights_sha256": result.spec.weights_sha256}
        _print_json(summary, bundle=str(bundle), model=model, metrics=result.metrics)
        return
    print_summary(Console(), summary)
    click.echo(f"\nWrote {bundle}. Measure it with `forebay evaluate {bundle} --data {out / 'shards'}`.")


@command("evaluate")
@click.argument("model", metavar="MODEL")
@click.option(
    "--data",
    metavar="PATH_OR_URI",
    required=True,
    help="Images, or an output folder of `ingest` or `train` (DIR/shards).",
)
@click.option("--out", metavar="DIR", type=_out_type, help="Folder to write instead of the state folder's.")
@_set_option
@json_option
def evaluate_command(model: str, data: str, out: Path | None, assignments: tuple[str, ...], as_json: bool) -> int:
    """Measure a model on held-out rows and let the gate judge it; nothing is registered or served.

    MODEL is a bundle folder, NAME (its champion), NAME@champion or NAME/3. Only rows that the model's training
    held out count, prepared as its training did. Exit code 3 when the gate refuses.
    """
    from forebay.contracts.evaluation import EVALUATION, PREDICTIONS, REPORT, SMOKE
    from forebay.local.evaluation.held_out import (
        check_data,
        evaluation_values,
        find_model,
        held_out_shards,
        is_prepared,
    )
    from forebay.local.runs.steps import run_evaluate

    given = _settings([f"ingest.data={data}", *assignments], "ingest", "preprocess", "evaluate")
    home = Home.find().open(writing=True)
    check_mlflow(home)
    check_source(data)
    found = find_model(home, model)
    values = evaluation_values(found, given)
    check_data(data, values)
    result_folder = out.absolute() if out else home.evaluation / "result"
    check_out(result_folder, (EVALUATION, PREDICTIONS, SMOKE, REPORT, MARKER))
    check_before_steps(home.root, spark=not is_prepared(data))

    with result_lock(home, result_folder), work_folder(home) as work:

        def steps() -> "EvaluationResult":
            with held_out_shards(data, work / "data", values) as shards:
                return run_evaluate(shards, found.folder, result_folder, values)

        evaluation, summary = _call(steps)
    if out:
        apply_user_umask(out)
    if found.version:
        summary["model"]["version"] = found.version
    if as_json:
        facts = {key: summary[key] for key in ("data", "accuracy", "gate", "model", "report")}
        _print_json(summary, **facts, per_class=evaluation.per_class)
    else:
        print_summary(Console(), summary)
        Console().print(_class_table(evaluation))
    return 0 if summary["gate"]["passed"] else ExitCode.GATE_REFUSED


def _settings(assignments: tuple[str, ...] | list[str], *steps: str) -> dict[str, Scalar]:
    """The settings given, which must be those of the steps that the command calls."""
    values = parse_assignments(assignments)
    check_for_this_machine(values)
    for key in values:
        if key.partition(".")[0] not in steps:
            raise ConfigError(f"--set {key}: this command has only the settings of {', '.join(steps)}.")
    return values


def check_out(out: Path, ours: tuple[str, ...]) -> None:
    """Refuse to write into a folder that holds anything else, because the steps empty it.

    The temporary files that a killed command left there are ours (`write_bytes` names them) and go.
    """
    require_writable(out.absolute(), "--out")
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    leftovers = [name for name in names if any(fnmatch(name, f".{pattern}.{'?' * 8}") for pattern in ours)]
    others = [name for name in names.difference(leftovers) if not any(fnmatch(name, pattern) for pattern in ours)]
    if others:
        raise ConfigError(
            f"--out: {out} holds {min(others)!r}, which this command does not write, and it would be emptied. "
            "Give a new folder."
        )
    for name in leftovers:
        (out / name).unlink(missing_ok=True)


def _call(body: Callable[[], Result]) -> tuple[Result, Summary]:
    """Call steps behind the same view as a run's; what libraries print goes to the state folder's log."""
    from forebay.local.runs.steps import call_steps

    home = Home.find().open()
    raise_on_signals()
    with (
        libraries_print_to(home.command_log) as screen,
        RunView(Console(file=screen)) as view,
        before_forced_exit(lambda *_: view.__exit__()),
    ):
        return call_steps(body, view.show)


def _print_json(summary: Summary, **facts: Any) -> None:
    click.echo(json.dumps({**facts, "steps": summary["steps"], "warnings": summary["warnings"]}, allow_nan=False))


def _class_table(evaluation: "EvaluationResult") -> Table:
    table = Table("class", "rows", "precision", "recall", box=None, padding=(0, 2, 0, 0))
    for row in evaluation.per_class:
        shares = ["-" if row[key] is None else f"{row[key]:.2%}" for key in ("precision", "recall")]
        if not row["support"]:
            shares[1] = "not judged"
        table.add_row(Text(row["name"], overflow="fold"), f"{row['support']:,}", *shares)
    return table
