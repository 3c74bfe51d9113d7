"""The compiled pipelines that came with the package: both backends run these very files."""

from importlib import resources
from pathlib import Path

PIPELINES = ("training", "tuning", "batch")


def compiled_pipeline(name: str = "training") -> Path:
    """The compiled file that ships with the package; it is what runs, here and on a cluster."""
    return Path(str(resources.files("forebay.pipelines") / "compiled" / f"{name}.yaml"))
