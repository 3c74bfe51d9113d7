"""What is submitted: the compiled file, under a version named by its content, and the parameters of a run."""

import os
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError
from forebay.ingest.fingerprint import source_fingerprint
from forebay.ingest.own.paths import local_paths
from forebay.object_store import is_s3_uri
from forebay.settings import BatchConfig, DeployConfig, IngestConfig, parameter_name, step_config
from forebay.settings.environment import FRESH_VARIABLE
from forebay.settings.ingest import DIGITS
from forebay.settings.keys import Scalar
from forebay.settings.own_source import OwnSource, parse_own_source
from forebay.state.file_digest import file_sha256
from forebay.version import VERSION
from forebay.weights.file import is_file_name

CI_REVISION_VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA")  # the revision that a CI checked out
ID_LENGTH = 12  # characters of a revision and of a digest in a name


@dataclass(frozen=True, kw_only=True)
class PipelinePackage:
    """A compiled pipeline, ready to upload."""

    path: Path
    pipeline: str  # the pipeline's name
    version: str  # git revision and digest, so that a name never stands for two contents
    parameters: frozenset[str]


@contextmanager
def package(compiled: Path, *, fresh: bool) -> Iterator[PipelinePackage]:
    """Read a compiled file and name its version.

    Args:
        compiled: a file that `forebay compile` wrote.
        fresh: make a copy whose steps ignore KFP's cache and their checkpoints.

    Raises:
        ConfigError: the file is not a compiled pipeline.
    """
    documents = _documents(compiled)
    spec = documents[0]
    with tempfile.TemporaryDirectory(prefix="forebay-") as folder:
        path = _fresh(documents, Path(folder)) if fresh else compiled
        digest = file_sha256(path)[:ID_LENGTH]
        yield PipelinePackage(
            path=path,
            pipeline=str(spec["pipelineInfo"]["name"]),
            version=f"{revision()}-{digest}",
            parameters=frozenset((spec["root"].get("inputDefinitions") or {}).get("parameters") or {}),
        )


def revision() -> str:
    """The git revision of the working folder, with `-dirty` where something is not committed.

    Without git it is the revision that CI names, else the package's version.
    """
    head = _git("rev-parse", f"--short={ID_LENGTH}", "HEAD")
    if head:
        return f"{head}-dirty" if _git("status", "--porcelain") else head
    ci_revision = next((os.environ[name] for name in CI_REVISION_VARIABLES if os.environ.get(name)), "")
    return ci_revision[:ID_LENGTH] or VERSION


def run_parameters(
    settings: dict[str, Scalar], known: frozenset[str], warn: Callable[[str], None]
) -> dict[str, Scalar]:
    """The parameters of a run from settings by key.

    Raises:
        ConfigError: pods cannot read the data or serve a model on this machine, or another version compiled the file
            and it lacks a parameter.
    """
    data = str(settings.get("ingest.data", IngestConfig.data))
    own = parse_own_source(data)
    if own is not None:
        _check_reachable(own)
    elif data != DIGITS and not is_s3_uri(data):
        raise ConfigError(
            f"ingest.data: the pods of a cluster cannot read {data!r} of this machine. Copy it into an object store "
            "and give s3://BUCKET/PREFIX."
        )
    labels = str(settings.get("ingest.labels", IngestConfig.labels))
    if Path(labels).is_absolute():
        raise ConfigError(
            f"ingest.labels: the pods of a cluster cannot read {labels!r} of this machine. Put the table beside the "
            "images and give its path below ingest.data, or give s3://BUCKET/KEY."
        )
    weights = str(settings.get("train.weights", ""))
    if is_file_name(weights) and not is_s3_uri(weights):
        raise ConfigError(
            f"train.weights: the pods of a cluster cannot read {weights!r} of this machine. Copy it into an object "
            "store and give s3://BUCKET/KEY."
        )
    if settings.get("deploy.target", DeployConfig.target) == "local":
        raise ConfigError("deploy.target=local serves on the machine of `forebay run`; on a cluster leave it out.")
    if parameter_name("batch.model") in known:
        step_config(BatchConfig, settings)
    given = {parameter_name(key): value for key, value in settings.items()}
    unknown = sorted(given.keys() - known)
    if unknown:
        raise ConfigError(
            f"The compiled pipeline has no parameter {', '.join(unknown)}: another version of Forebay compiled it, or "
            "it is a pipeline without that setting. `forebay compile --out FILE` writes it anew."
        )
    return {**given, "ingest_fingerprint": _fingerprint(data, labels, given, warn)}


def _check_reachable(own: OwnSource) -> None:
    """Refuse a source of the user's that is told to read files of this machine."""
    if paths := local_paths(own):
        raise ConfigError(
            f"ingest.data: the pods of a cluster cannot read {paths[0]!r} of this machine, which {own.name} is called "
            "with. Put the data where pods reach them, such as an object store, and let the source read them there."
        )


def _fingerprint(data: str, labels: str, given: Mapping[str, Scalar], warn: Callable[[str], None]) -> str:
    """The fingerprint of the data; where this machine cannot read them, one that no cached result has."""
    try:
        code = str(given.get("ingest_source_code", IngestConfig.source_code))
        return source_fingerprint(data, labels, code, ask=False)
    except ConfigError as error:
        warn(f"{error} The cluster may see it; ingest is computed anew, because a cached one may be of older data.")
        return f"unseen-{uuid.uuid4().hex}"


def _documents(compiled: Path) -> list[dict[str, Any]]:
    import yaml

    try:
        documents = list(yaml.safe_load_all(compiled.read_bytes()))
        known = [document["pipelineInfo"]["name"] and document["root"] for document in documents[:1]]
    except OSError as error:
        raise ConfigError(f"--pipeline: {compiled} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        known = []
    if not known:
        raise ConfigError(
            f"--pipeline: {compiled} is not a compiled pipeline. `forebay compile --out FILE` writes one."
        )
    return documents


def _fresh(documents: list[dict[str, Any]], folder: Path) -> Path:
    """A copy that switches caching off, because the API has no such option for a pipeline version."""
    import yaml

    spec = documents[0]
    dags = [spec["root"]["dag"], *(each["dag"] for each in spec["components"].values() if "dag" in each)]
    for task in (task for dag in dags for task in dag["tasks"].values()):
        task["cachingOptions"] = {}
    for executor in spec["deploymentSpec"]["executors"].values():
        executor["container"].setdefault("env", []).append({"name": FRESH_VARIABLE, "value": "1"})
    path = folder / "fresh.yaml"
    path.write_text(yaml.safe_dump_all(documents, sort_keys=True))
    return path


def _git(*arguments: str) -> str:
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603, S607
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
