"""What the page of a training run shows of its evaluation: the report, charts and numbers as files, and a note."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from forebay.contracts.evaluation import CONFUSION_IMAGE, CURVES_IMAGE, EVALUATION, REPORT, EvaluationResult
from forebay.register.markdown import escape
from forebay.state import StepLog
from forebay.state.machine_errors import add_file_name
from forebay.state.sealed import check_content
from forebay.text import count_noun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NOTE_TAG = "mlflow.note.content"  # MLflow's own: the description of a run
NOTE_START = "Forebay: "  # a note that begins otherwise is a person's, and stays
MAX_FILE_BYTES = 32 << 20  # MLflow's pages show no larger file
FILES = {REPORT: "report", CONFUSION_IMAGE: "report", CURVES_IMAGE: "report", EVALUATION: "evaluation"}


def report_link(run: "Run") -> str:
    """The report, as a link from any page of MLflow's."""
    return f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts/report/{REPORT}"


def fill_run_page(client: "MlflowClient", run: "Run", evaluation: EvaluationResult, log: StepLog) -> None:
    """Add what evaluate found to a run; a later evaluation of the same training takes an earlier one's place.

    Raises:
        DamagedArtifactError: a file is not the one that evaluate wrote.
    """
    found = [name for name in FILES if (evaluation.folder / name).exists()]
    check_content(evaluation.folder, "evaluate", found)
    for name in found:
        _log_file(client, run, evaluation.folder / name, FILES[name], log)
    if run.data.tags.get(NOTE_TAG, NOTE_START).startswith(NOTE_START):
        client.set_tag(run.info.run_id, NOTE_TAG, run_note(evaluation, report_link(run)))


def run_note(evaluation: EvaluationResult, report: str) -> str:
    """What is worth knowing of a training run, in a few words of Markdown with a link to the report."""
    accuracy = evaluation.accuracy
    sentences = [
        f"{NOTE_START}**{accuracy['value']:.2%}** ({accuracy['low']:.2%} to {accuracy['high']:.2%}) of "
        f"{count_noun(accuracy['rows'], 'held-out image')} of {escape(evaluation.data['name'])} are right.",
        f"Gate: {evaluation.decision}, {escape(evaluation.gate['reason'], 300)}.",
    ]
    if evaluation.overfitting:
        sentences.append(escape(evaluation.overfitting, 500))
    return " ".join([*sentences, f"[Report]({report})."])


def _log_file(client: "MlflowClient", run: "Run", file: Path, folder: str, log: StepLog) -> None:
    size = file.stat().st_size
    if size > MAX_FILE_BYTES:
        log.warn(
            f"{file.name} has {size >> 20} MiB, and MLflow's pages show at most {MAX_FILE_BYTES >> 20} MiB; it is not "
            f"copied there. It lies in {file.parent}."
        )
        return
    target = Path(unquote(urlsplit(run.info.artifact_uri).path)) / folder / file.name
    with add_file_name(target):  # where a disk is full, copying to a folder does not say which
        client.log_artifact(run.info.run_id, str(file), folder)
