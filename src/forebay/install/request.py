"""What the command line asks for, checked before anything is read or run."""

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from forebay.container_images import check_registry
from forebay.errors import ConfigError
from forebay.install.air_gap import AIR_GAP_SCENARIO, chart_image_arguments
from forebay.install.charts import values
from forebay.install.charts.sources import InstallSources
from forebay.install.names import KIND_CONTEXT

ClusterChoice = Literal["kind", "current"]
CLUSTER_CHOICES: tuple[ClusterChoice, ...] = get_args(ClusterChoice)
DEFAULT_OVERLAY: dict[ClusterChoice, str] = {"kind": "kind", "current": "kind"}
DEPENDENT_PIECES = {
    "kserve-crds": "kserve",
    "pipelines-crds": "pipelines",
}  # a piece of definitions, and the piece that needs them


@dataclass(frozen=True, kw_only=True)
class InstallRequest:
    """Which cluster, and what goes onto it."""

    cluster: ClusterChoice
    context: str = ""  # with `current`; empty for the current one
    overlay: str = ""  # empty for the default of the cluster
    optional_pieces: tuple[str, ...] = ()
    excluded_pieces: tuple[str, ...] = ()
    values: tuple[Path, ...] = ()
    registry: str = ""
    manifests: Path | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.cluster == "kind" and self.context:
            raise ConfigError(
                f"--context {self.context} goes with --cluster current; the context of --cluster kind is always "
                f"{KIND_CONTEXT}."
            )
        object.__setattr__(self, "registry", self.registry.rstrip("/"))
        for definitions, dependent in DEPENDENT_PIECES.items():
            if definitions in self.excluded_pieces and dependent not in self.excluded_pieces:
                raise ConfigError(
                    f"--without {definitions} goes with --without {dependent}: a cluster with somebody else's "
                    f"definitions has their {dependent} too, and ours would replace it. Give both, or take another "
                    "cluster."
                )
        if self.registry:
            check_registry(self.registry)
        if self.registry and self.scenario != AIR_GAP_SCENARIO:
            raise ConfigError(
                f"--registry {self.registry} goes with --overlay {AIR_GAP_SCENARIO}, and the scenario is "
                f"{self.scenario}. To name a registry for our own images alone, set images.registry in a file of "
                "--values."
            )

    @property
    def scenario(self) -> str:
        """The overlay's name."""
        return self.overlay or DEFAULT_OVERLAY[self.cluster]

    def value_files(self, sources: InstallSources) -> list[Path]:
        """Files of values for the chart; a later one overrides an earlier one."""
        ours = [sources.kind_values] if self.cluster == "kind" else []
        return [*ours, *(path.absolute() for path in self.values)]

    def helm_arguments(self, sources: InstallSources) -> tuple[str, ...]:
        """Arguments of helm for these files and for the registry."""
        files = (argument for path in self.value_files(sources) for argument in ("--values", str(path)))
        merged = values.merge_values([sources.chart / "values.yaml", *self.value_files(sources)])
        return (*files, *chart_image_arguments(merged, self.registry))

    def resume_command(self, context: str = "") -> str:
        """The command that goes on where this one ended.

        Args:
            context: the one that was current then; another may be current now.
        """
        arguments = ["forebay", "up", "--cluster", self.cluster]
        named = self.context or (context if self.cluster == "current" else "")
        for option, value in (("--context", named), ("--overlay", self.overlay), ("--registry", self.registry)):
            arguments += [option, value] if value else []
        repeatable = (("--with", self.optional_pieces), ("--without", self.excluded_pieces), ("--values", self.values))
        for option, chosen in repeatable:
            arguments += [word for each in chosen for word in (option, str(each))]
        arguments += ["--manifests", str(self.manifests)] if self.manifests else []
        return shlex.join(arguments)


def release_description(sources: InstallSources, request: InstallRequest, version: str) -> str:
    """Describe a release by what makes it, so that an equal one need not be made again."""
    digest = hashlib.sha256(request.registry.encode())
    chart = sorted(path for path in sources.chart.rglob("*") if path.is_file())
    for path in [*chart, *request.value_files(sources)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"forebay {version}, chart and values {digest.hexdigest()[:16]}"
