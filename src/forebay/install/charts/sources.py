"""Where the chart and the manifests lie, and what they say about themselves."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError

PACKAGE = Path(__file__).parents[2]
BESIDE = "installation"  # folder of the package that the build puts helm/ and manifests/ into
EXTRAS = ("spark-operator", "trainer")


@dataclass(frozen=True)
class Sources:
    """The chart and the manifests that `forebay up` installs."""

    chart: Path
    manifests: Path

    @property
    def overlays(self) -> Path:
        """One folder per scenario."""
        return self.manifests / "overlays"

    @property
    def kind_values(self) -> Path:
        """The chart's values for a laptop."""
        return self.chart / "ci" / "kind.yaml"

    @property
    def kind_config(self) -> Path:
        """The kind cluster: one node."""
        return self.manifests / "kind.yaml"

    def overlay(self, name: str) -> Path:
        """The folder of a scenario.

        Raises:
            ConfigError: there is no such scenario; the message names those that there are.
        """
        known = sorted(path.parent.name for path in self.overlays.glob("*/kustomization.yaml"))
        if name not in known:
            raise ConfigError(f"--overlay {name}: there is no such scenario. Take one of: {', '.join(known)}.")
        return self.overlays / name

    def optional(self, name: str) -> Path:
        """The folder of an optional piece.

        Raises:
            ConfigError: these manifests do not hold it.
        """
        folder = self.manifests / "optional" / name
        if not (folder / "kustomization.yaml").is_file():
            raise ConfigError(f"--with {name}: {self.manifests} has no optional/{name}. Leave the option out.")
        return folder

    def kubernetes(self) -> dict[str, str]:
        """What manifests/versions.yaml says of Kubernetes: `minimum`, and `kind_node_image` where a user pins one."""
        return {key: str(value) for key, value in read_yaml(self.manifests / "versions.yaml")["kubernetes"].items()}

    def images(self) -> list[dict[str, str]]:
        """What manifests/images.yaml lists: every image of others, with the piece that runs it."""
        listed: list[dict[str, str]] = read_yaml(self.manifests / "images.yaml")["images"]
        return listed

    def mirror(self) -> str:
        """The registry that stands in overlays/airgap."""
        return str(read_yaml(self.manifests / "versions.yaml")["mirror"])


def find(manifests: Path | None = None) -> Sources:
    """The chart and the manifests of this installation: beside the package in a wheel, at the top of a checkout.

    Args:
        manifests: another folder of that layout, in place of the one that came with the package.

    Raises:
        ConfigError: they are not there.
    """
    root = found_root()
    sources = Sources(root / "helm" / "forebay", manifests.absolute() if manifests else root / "manifests")
    for path, option in ((sources.chart, ""), (sources.overlays, "--manifests: " if manifests else "")):
        if not path.is_dir():
            raise ConfigError(
                f"{option}{path} is not there, and `forebay up` installs from it. Install the package again, work in a "
                "whole checkout, or give --manifests the folder that holds overlays/."
            )
    return sources


def found_root() -> Path:
    """The folder that holds helm/ and manifests/."""
    roots = (PACKAGE / BESIDE, PACKAGE.parents[1])
    return next((root for root in roots if (root / "helm" / "forebay" / "Chart.yaml").is_file()), roots[-1])


def read_yaml(path: Path) -> Any:
    """What a YAML file of ours or the user's holds.

    Raises:
        ConfigError: it cannot be read or is no YAML; the message says where in it.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"{path} cannot be read: {reason}. Give a YAML file that you can read.") from error
    except yaml.YAMLError as error:
        words = re.sub(r"\s+", " ", str(error)).strip()
        raise ConfigError(f"{path} is no YAML: {words}. Mend it there.") from error
