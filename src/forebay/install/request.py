"""What was asked for on the command line, checked before anything is read or run."""

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from forebay.container_images import check_registry
from forebay.errors import ConfigError
from forebay.install import air_gap
from forebay.install.air_gap import AIRGAP
from forebay.install.charts import values
from forebay.install.charts.sources import Sources
from forebay.install.plan.action import KIND_CONTEXT

Cluster = Literal["kind", "current"]
CLUSTERS: tuple[Cluster, ...] = get_args(Cluster)
DEFAULT_OVERLAY: dict[Cluster, str] = {"kind": "kind", "current": "kind"}
HALVES = {"kserve-crds": "kserve", "pipelines-crds": "pipelines"}  # definitions, and what works by them


@dataclass(frozen=True, kw_only=True)
class Request:
    """Which cluster, and what on it."""

    cluster: Cluster
    context: str = ""  # of `current`; empty for the one that is current
    overlay: str = ""  # empty for the cluster's own
    extras: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    values: tuple[Path, ...] = ()
    registry: str = ""
    manifests: Path | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.cluster == "kind" and self.context:
            raise ConfigError(
                f"--context {self.context} goes with --cluster current; that of --cluster kind is always "
                f"{KIND_CONTEXT}."
            )
        object.__setattr__(self, "registry", self.registry.rstrip("/"))
        for definitions, workers in HALVES.items():
            if definitions in self.left_out and workers not in self.left_out:
                raise ConfigError(
                    f"--without {definitions} goes with --without {workers}: where somebody else's definitions are, so "
                    "is what works by them, and ours would take its place. Give both, or take another cluster."
                )
        if self.registry:
            check_registry(self.registry)
        if self.registry and self.scenario != AIRGAP:
            raise ConfigError(
                f"--registry {self.registry} goes with --overlay {AIRGAP}, and the scenario is {self.scenario}. "
                "To name a registry for our own images alone, set images.registry in a file of --values."
            )

    @property
    def scenario(self) -> str:
        """The overlay's name."""
        return self.overlay or DEFAULT_OVERLAY[self.cluster]

    def files(self, sources: Sources) -> list[Path]:
        """Files of values for the chart, the later ones over the earlier."""
        ours = [sources.kind_values] if self.cluster == "kind" else []
        return [*ours, *(path.absolute() for path in self.values)]

    def words(self, sources: Sources) -> tuple[str, ...]:
        """The same for helm's command line, and what options mean."""
        files = (word for path in self.files(sources) for word in ("--values", str(path)))
        given = values.merged([sources.chart / "values.yaml", *self.files(sources)])
        return (*files, *air_gap.chart_words(given, self.registry))

    def again(self, context: str = "") -> str:
        """The command that goes on where this one ended.

        Args:
            context: the one that was current then, for another may be by now.
        """
        words = ["forebay", "up", "--cluster", self.cluster]
        named = self.context or (context if self.cluster == "current" else "")
        for option, value in (("--context", named), ("--overlay", self.overlay), ("--registry", self.registry)):
            words += [option, value] if value else []
        several = (("--with", self.extras), ("--without", self.left_out), ("--values", self.values))
        for option, given in several:
            words += [word for each in given for word in (option, str(each))]
        words += ["--manifests", str(self.manifests)] if self.manifests else []
        return shlex.join(words)


def description(sources: Sources, request: Request, version: str) -> str:
    """Names a release by what makes it, so that an equal one need not be made again."""
    digest = hashlib.sha256(request.registry.encode())
    chart = sorted(path for path in sources.chart.rglob("*") if path.is_file())
    for path in [*chart, *request.files(sources)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"forebay {version}, chart and values {digest.hexdigest()[:16]}"
