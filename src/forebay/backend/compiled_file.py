"""The compiled pipeline that came with the package: both backends run this very file."""

from importlib import resources
from pathlib import Path


def compiled_pipeline() -> Path:
    """The compiled file that ships with the package; it is what runs, here and on a cluster."""
    return Path(str(resources.files("forebay.pipelines") / "compiled" / "training.yaml"))
