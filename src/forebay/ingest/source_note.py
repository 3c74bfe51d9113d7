"""Notes on how a source was read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceNote:
    """What a person should know about how a source was read; it becomes a warning of the dataset."""

    text: str
    set_aside: int = 0  # number of images that the note calls unlabelled on purpose
