"""What a model says of one image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model says of one image."""

    label: str  # the most probable class
    probability: float  # of that class, 0 to 1
    probabilities: Mapping[str, float]  # of every class, in the model's order
    version: str = ""  # that answered; empty for a bundle that is not registered
    warnings: tuple[str, ...] = ()  # what of this image is unlike the training images

    @classmethod
    def of(
        cls, classes: Sequence[str], row: Sequence[float], *, version: str = "", warnings: Sequence[str] = ()
    ) -> "Prediction":
        """From the probabilities in the order of the classes."""
        best = max(range(len(row)), key=row.__getitem__)  # the first of equals, as the server takes it
        return cls(
            label=classes[best],
            probability=float(row[best]),
            probabilities=dict(zip(classes, map(float, row), strict=True)),
            version=version,
            warnings=tuple(warnings),
        )
