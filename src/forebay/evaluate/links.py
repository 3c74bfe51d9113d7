"""What a person looks for after reading a report: run, version, data and code, with an address where there is one."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from forebay import tracking
from forebay.contracts.evaluation import EvaluationResult
from forebay.registry import RUN_TAG
from forebay.state import Home
from forebay.state.mask import without_passwords
from forebay.version import code_version

GIT_S = 10.0  # as long may git take; it is asked two small questions

# Hosts whose pages of a commit are known, by the path to it
_COMMIT_PAGES = {
    "github.com": "commit", "gitlab.com": "-/commit", "bitbucket.org": "commits", "codeberg.org": "commit",
}  # fmt: skip
_ORIGIN = re.compile(
    r"(?:https://(?:[^/@\s]*@)?|ssh://git@|git@)([a-z0-9.-]+)[:/]([A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+)"
)
_REVISION = re.compile(r"([0-9a-f]{40})(-dirty)?")


@dataclass(frozen=True)
class Link:
    """A thing by its name; texts are plain and not yet escaped."""

    text: str
    url: str = ""  # empty where a browser has no address for it
    note: str = ""


def find_links(evaluation: EvaluationResult, run_id: str, home: Home) -> dict[str, list[Link]]:
    """The links of a report, by heading. Neither MLflow nor any other server is asked.

    Args:
        evaluation: what the report shows.
        run_id: id of the pipeline run; empty outside one.
        home: the state folder.
    """
    mlflow = tracking.pages_address(home)
    return {
        "Run": _runs(evaluation, run_id, mlflow),
        "Version": [_version(evaluation, run_id, mlflow)],
        "Data": [_data(evaluation)],
        "Code": [_code(str(evaluation.model["lineage"].get("code_version") or ""))],
    }


def mlflow_note(home: Home) -> str:
    """What must be known of the links to MLflow; empty where there are none."""
    address = tracking.pages_address(home)
    if not address:
        return ""
    if address == tracking.UI_ADDRESS:
        return "MLflow's pages answer while “forebay ui” runs on the machine of the state folder."
    return f"MLflow's pages are linked at {address}, the address that the steps use."


def source_folder(evaluation: EvaluationResult) -> Path | None:
    """The folder that the images came from, where it is one on this machine."""
    path = Path(str(evaluation.data["source"]))
    return path if path.is_absolute() and path.is_dir() else None


def code_revision(package: Path) -> Link | None:
    """The git revision of the checkout that a package is in, with its page where the origin is a known host."""
    checkout = package.parents[1]
    if not (checkout / ".git").exists():
        return None
    found = _REVISION.fullmatch(_git(checkout, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"))
    if not found:
        return None
    note = "with changes that are not committed" if found[2] else ""
    return Link(f"git {found[1][:12]}", commit_page(_git(checkout, "remote", "get-url", "origin"), found[1]), note)


def commit_page(origin: str, revision: str) -> str:
    """The page of a revision at a host that is known; empty for others. A login in the origin's address is left out."""
    found = _ORIGIN.fullmatch(origin.removesuffix("/").removesuffix(".git"))
    if not found or found[1] not in _COMMIT_PAGES:
        return ""
    return f"https://{found[1]}/{found[2]}/{_COMMIT_PAGES[found[1]]}/{revision}"


def _runs(evaluation: EvaluationResult, run_id: str, mlflow: str) -> list[Link]:
    lineage = evaluation.model["lineage"]
    origins = [("training in MLflow", lineage), *((str(each["name"]), each) for each in lineage.get("members", []))]
    found = [
        Link(name, f"{mlflow}/#/runs/{quote(run)}" if mlflow else "", "" if mlflow else run)
        for name, origin in origins
        if (run := str(origin.get("mlflow_run_id") or ""))
    ]
    return [Link(run_id or "outside a pipeline run"), *found]


def _version(evaluation: EvaluationResult, run_id: str, mlflow: str) -> Link:
    name, version = evaluation.name, evaluation.gate["version"]
    page = f"{mlflow}/#/models/{quote(name, safe='')}" if mlflow else ""
    if version is not None:
        there = tracking.version_page(mlflow, name, str(version)) if mlflow else ""
        return Link(f"{name} version {version}", there, "the same weights")
    if not evaluation.gate["passed"]:
        return Link(name, page, "refused, so no version is registered")
    if not run_id:
        return Link(name, page, "measured alone: this registers no version")
    return Link(name, page, f"registered after this report: its version has the tag {RUN_TAG} = {run_id}")


def _data(evaluation: EvaluationResult) -> Link:
    source, folder = str(evaluation.data["source"]), source_folder(evaluation)
    path = Path(source)
    is_here = folder or (path.is_absolute() and path.is_file())
    digest = f"digest {evaluation.data['digest'][:12]}…"
    return Link(without_passwords(source), path.as_uri() if is_here else "", digest)


def _code(version: str) -> Link:
    """The code that trained the model. Its revision is known only where the same code is installed here."""
    revision = code_revision(Path(tracking.__file__).parents[1]) if version == code_version() else None
    if revision is None:
        return Link(version or "not recorded")
    return Link(version, revision.url, " ".join(filter(None, (revision.text, revision.note))))


def _git(checkout: Path, *words: str) -> str:
    try:
        answer = subprocess.run(  # noqa: S603
            ["git", "--no-optional-locks", "-C", str(checkout), *words],  # noqa: S607
            capture_output=True, text=True, check=False, timeout=GIT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
