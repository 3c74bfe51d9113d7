"""What the registry knows of a served version. The server, which reads no registry, shows it on its page."""

from dataclasses import asdict, dataclass

from forebay.serving.state.files import ServingFiles
from forebay.state import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class VersionFacts:
    """One version, as the registry had it when it was last served. Texts are empty where it has none."""

    weights_sha256: str  # of the version: another model under the same name and number is not described by this
    accuracy: str = ""  # on held-out rows, 0..1
    card: str = ""  # the model card, as Markdown
    run_id: str = ""  # of the pipeline run that registered the version
    mlflow: str = ""  # address of MLflow's pages
    mlflow_version: str = ""  # address of the version's own page there


def write_version_facts(files: ServingFiles, name: str, version: str, facts: VersionFacts) -> None:
    """Keep the facts of a version; a file that says the same already is left alone."""
    if read_version_facts(files, name, version) != facts:
        write_json(files.version_facts(name, version), asdict(facts))


def read_version_facts(files: ServingFiles, name: str, version: str) -> VersionFacts | None:
    """The facts of a version; None where they were never kept. A damaged file counts as a missing one."""
    try:
        value = read_json(files.version_facts(name, version))
        facts = VersionFacts(**value)
    except (OSError, ValueError, TypeError):
        return None
    return facts if all(isinstance(text, str) for text in asdict(facts).values()) else None
