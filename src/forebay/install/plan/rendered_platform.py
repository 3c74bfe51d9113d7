"""Everything that an installation would put onto a cluster, rendered."""

from collections.abc import Sequence
from dataclasses import dataclass

from forebay.install.charts.render import PlatformPiece
from forebay.install.charts.values import ChartValues
from forebay.install.facts import kubernetes_objects
from forebay.install.facts.kubernetes_objects import Object
from forebay.install.names import RELEASE


@dataclass(frozen=True, kw_only=True)
class RenderedPlatform:
    """The pieces and the chart, and what they need."""

    pieces: Sequence[PlatformPiece]
    chart_objects: Sequence[Object]
    values: ChartValues
    minimum_version: str  # Kubernetes, such as 1.30

    @property
    def manifests(self) -> list[Object]:
        """The objects of all pieces."""
        return [each for piece in self.pieces for each in piece.objects]

    def secrets(self) -> dict[tuple[str, str], set[str]]:
        """The keys of the Secrets that somebody must have made before, by namespace and name."""
        return kubernetes_objects.missing_secrets(self.all_objects, RELEASE)

    @property
    def all_objects(self) -> list[Object]:
        """The objects of all pieces and of the chart."""
        return [*self.manifests, *self.chart_objects]
