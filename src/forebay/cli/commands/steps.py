"""`forebay ingest`, `forebay train` and `forebay evaluate`: single steps outside any run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from forebay.api.render import print_summary
from forebay.backend.summary import Summary
from forebay.cli.command import command
from forebay.cli.options import json_option, set_option
from forebay.cli.step_calls import call_and_show, check_output_folder, parse_step_settings, print_result
from forebay.errors import ConfigError, ExitCode
from forebay.local.checks.mlflow_login import check_mlflow_login
from forebay.local.checks.preflight import check_before_steps
from forebay.local.checks.s3_access import check_checkpoint_store, check_data_source
from forebay.local.evaluation.isolation import result_lock, work_folder
from forebay.state import Home
from forebay.state.file_modes import apply_user_umask
from forebay.state.sealed import MARKER
from forebay.text import escape_controls

if TYPE_CHECKING:
    from forebay.contracts.evaluation import EvaluationResult

ROWS_FOLDER = ("rows", "quarantine", "manifest.json", ".work-*", MARKER)  # what a command writes into --out
TRAIN_FOLDER = ("shards", "bundle")

_out_type = click.Path(file_okay=False, path_type=Path)
_set_option = set_option(
    "ingest", "preprocess", "train", "evaluate", meaning="Change a setting; `forebay run --settings` lists them."
)


@command("ingest")
@click.option("--data", metavar="PATH_OR_URI", required=True, help="As in `forebay run`; digits is the built-in data.")
@click.option("--out", metavar="DIR", type=_out_type, required=True, help="Folder to write.")
@_set_option
@json_option
def ingest_command(data: str, out: Path, assignments: tuple[str, ...], as_json: bool) -> None:
    """Read images into a folder of Parquet tables.

    The folder holds the images, a quarantine table with reasons, and a manifest.
    """
    from forebay.local.runs.steps import ingest_config, run_ingest

    values = parse_step_settings([f"ingest.data={data}", *assignments], "ingest")
    Home.find().open(writing=True)
    check_output_folder(out, ROWS_FOLDER)
    if Path(data).resolve().is_relative_to(out.resolve()):
        raise ConfigError(f"--out: {data} lies in {out}, which would be emptied before it is read. Give a new folder.")
    check_data_source(data)
    config = ingest_config(values)
    check_before_steps(out, spark=True)
    manifest, summary = call_and_show(lambda: run_ingest(out, config))
    apply_user_umask(out)
    kept = {
        "rows": manifest.rows, "classes": len(manifest.classes), "digest": manifest.digest,
        "quarantined": manifest.quarantined,
    }  # fmt: skip
    if as_json:
        print_result(summary, data=kept, out=str(out))
        return
    print_summary(Console(), summary | {"data": kept})
    click.echo(escape_controls(f"\nWrote {out}. Go on with `forebay train {out} --out DIR`."))


@command("train")
@click.argument("dataset", metavar="DATASET_DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", metavar="DIR", type=_out_type, required=True, help="Folder to write: shards and bundle.")
@_set_option
@json_option
def train_command(dataset: Path, out: Path, assignments: tuple[str, ...], as_json: bool) -> None:
    """Fit a model on what `forebay ingest` wrote.

    The rows are split into DIR/shards, and the model is written to DIR/bundle. An interrupted training goes on from its
    last checkpoint when the same command is given again.
    """
    from forebay.local.evaluation.held_out import read_ingest_output
    from forebay.local.runs.steps import run_preprocess, run_train

    values = parse_step_settings(assignments, "preprocess", "train")
    home = Home.find().open(writing=True)
    read_ingest_output(dataset)
    check_output_folder(out, TRAIN_FOLDER)
    check_before_steps(out, spark=False)
    check_mlflow_login(home, needed=False)
    check_checkpoint_store()

    def steps() -> Any:
        run_preprocess(dataset, out / "shards", values)
        return run_train(out / "shards", out / "bundle", values)

    result, summary = call_and_show(steps)
    apply_user_umask(out)
    bundle = out / "bundle"
    if as_json:
        model = {"architecture": result.spec.architecture, "weights_sha256": result.spec.weights_sha256}
        print_result(summary, bundle=str(bundle), model=model, metrics=result.metrics)
        return
    print_summary(Console(), summary)
    next_words = f"Measure it with `forebay evaluate {bundle} --data {out / 'shards'}`."
    click.echo(escape_controls(f"\nWrote {bundle}. {next_words}"))


@command("evaluate")
@click.argument("model", metavar="MODEL")
@click.option(
    "--data",
    metavar="PATH_OR_URI",
    required=True,
    help="Images, or an output folder of `ingest` or `train` (DIR/shards).",
)
@click.option("--out", metavar="DIR", type=_out_type, help="Folder to write; without it, one in the state folder.")
@_set_option
@json_option
def evaluate_command(model: str, data: str, out: Path | None, assignments: tuple[str, ...], as_json: bool) -> int:
    """Measure a model on held-out rows and let the gate judge it.

    Nothing is registered or served.

    MODEL is a bundle folder, NAME (its champion), NAME@champion or NAME/3. Only rows that the model's training
    held out count, prepared as its training did. Exit code 3 when the gate refuses.
    """
    from forebay.contracts.evaluation import FILES
    from forebay.local.evaluation.held_out import (
        check_data,
        evaluation_settings,
        find_model,
        held_out_shards,
        is_step_output,
    )
    from forebay.local.runs.steps import run_evaluate

    given = parse_step_settings([f"ingest.data={data}", *assignments], "ingest", "preprocess", "evaluate")
    home = Home.find().open(writing=True)
    check_mlflow_login(home)
    check_data_source(data)
    found = find_model(home, model)
    values = evaluation_settings(found, given)
    check_data(data, values)
    if out is None:
        home.evaluation.mkdir(exist_ok=True)  # ours to make, unlike a folder that was named
    result_folder = out.absolute() if out else home.evaluation / "result"
    check_output_folder(result_folder, (*FILES, MARKER))
    check_before_steps(home.root, spark=not is_step_output(data))

    with result_lock(home, result_folder), work_folder(home) as work:

        def steps() -> "EvaluationResult":
            with held_out_shards(data, work / "data", values) as shards:
                return run_evaluate(shards, found.folder, result_folder, values)

        evaluation, summary = call_and_show(steps)
    if out:
        apply_user_umask(out)
    if found.version:
        summary["model"]["version"] = found.version
    _show_evaluation(evaluation, summary, as_json=as_json)
    return 0 if summary["gate"]["passed"] else ExitCode.GATE_REFUSED


def _show_evaluation(evaluation: "EvaluationResult", summary: Summary, *, as_json: bool) -> None:
    if as_json:
        facts = {key: summary[key] for key in ("data", "accuracy", "gate", "model", "report")}
        print_result(summary, **facts, per_class=evaluation.per_class)
    else:
        print_summary(Console(), summary)
        Console().print(class_table(evaluation))


def class_table(evaluation: "EvaluationResult") -> Table:
    """Precision and recall of every class, as a table for people."""
    table = Table("class", "rows", "precision", "recall", box=None, padding=(0, 2, 0, 0))
    for row in evaluation.per_class:
        shares = ["-" if row[key] is None else f"{row[key]:.2%}" for key in ("precision", "recall")]
        if not row["support"]:
            shares[1] = "not judged"
        table.add_row(Text(row["name"], overflow="fold"), f"{row['support']:,}", *shares)
    return table
