"""Where the chart and the manifests are, and which versions and images they list."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError

PACKAGE = Path(__file__).parents[2]
WHEEL_FOLDER = "installation"  # in a wheel, the folder of the package with helm/ and manifests/
OPTIONAL_PIECES = ("spark-operator", "trainer")


@dataclass(frozen=True)
class InstallSources:
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
        """kind's configuration of the cluster: one node."""
        return self.manifests / "kind.yaml"

    def overlay_folder(self, name: str) -> Path:
        """The folder of a scenario.

        Raises:
            ConfigError: there is no such scenario; the message lists the scenarios.
        """
        known = sorted(path.parent.name for path in self.overlays.glob("*/kustomization.yaml"))
        if name not in known:
            raise ConfigError(f"--overlay {name}: there is no such scenario. Take one of: {', '.join(known)}.")
        return self.overlays / name

    def optional_folder(self, name: str) -> Path:
        """The folder of an optional piece.

        Raises:
            ConfigError: these manifests do not hold it.
        """
        folder = self.manifests / "optional" / name
        if not (folder / "kustomization.yaml").is_file():
            raise ConfigError(f"--with {name}: {self.manifests} has no optional/{name}. Leave the option out.")
        return folder

    def kubernetes_versions(self) -> dict[str, str]:
        """Versions of Kubernetes in manifests/versions.yaml: `minimum`, and `kind_node_image` where a user pins one."""
        return {key: str(value) for key, value in read_yaml(self.manifests / "versions.yaml")["kubernetes"].items()}

    def upstream_images(self) -> list[dict[str, str]]:
        """Every upstream image that manifests/images.yaml lists, with the piece that runs it."""
        listed: list[dict[str, str]] = read_yaml(self.manifests / "images.yaml")["images"]
        return listed

    def overlay_registry(self) -> str:
        """The registry that overlays/airgap takes container images from."""
        return str(read_yaml(self.manifests / "versions.yaml")["mirror"])


def find_sources(manifests: Path | None = None) -> InstallSources:
    """Find the chart and the manifests: in the package of a wheel, at the top of a checkout.

    Args:
        manifests: a folder of the same layout, to use in place of the package's own.

    Raises:
        ConfigError: one of them does not exist.
    """
    root = installation_root()
    sources = InstallSources(root / "helm" / "forebay", manifests.absolute() if manifests else root / "manifests")
    for path, option in ((sources.chart, ""), (sources.overlays, "--manifests: " if manifests else "")):
        if not path.is_dir():
            raise ConfigError(
                f"{option}{path} does not exist, and `forebay up` installs from it. Install the package again, work "
                "in a whole checkout, or give --manifests the folder that holds overlays/."
            )
    return sources


def installation_root() -> Path:
    """The folder that holds helm/ and manifests/."""
    roots = (PACKAGE / WHEEL_FOLDER, PACKAGE.parents[1])
    return next((root for root in roots if (root / "helm" / "forebay" / "Chart.yaml").is_file()), roots[-1])


def read_yaml(path: Path) -> Any:
    """Read a YAML file of ours or the user's.

    Raises:
        ConfigError: it cannot be read or is no YAML; the message says in which line.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise ConfigError(f"{path} cannot be read: {reason}. Give a YAML file that you can read.") from error
    except yaml.YAMLError as error:
        problem = re.sub(r"\s+", " ", str(error)).strip()
        raise ConfigError(f"{path} is no YAML: {problem}. Correct it there.") from error
