"""What the registry knows of a version, kept where the server finds it: the server reads no registry."""

from forebay import tracking
from forebay.registry import ACCURACY_TAG, RUN_TAG, RegisteredBundle
from forebay.serving.state import ServingFiles, VersionFacts, write_version_facts
from forebay.state import Home


def keep_version_facts(home: Home, found: RegisteredBundle) -> None:
    """Keep accuracy, model card and origin of a version that is about to be served."""
    mlflow = tracking.pages_address(home)
    facts = VersionFacts(
        weights_sha256=found.weights_sha256,
        accuracy=found.tags.get(ACCURACY_TAG, ""),
        card=found.card,
        run_id=found.tags.get(RUN_TAG, ""),
        mlflow=mlflow,
        mlflow_version=tracking.version_page(mlflow, found.name, found.version) if mlflow else "",
    )
    write_version_facts(ServingFiles.of(home), found.name, found.version, facts)
