"""The images that the report shows: mistakes, and right answers that were uncertain or sure. Each has its file name."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.shards import DatasetSplit
from forebay.evaluate.report_images import thumbnail_data_uri
from forebay.text import one_line

SHOWN_MISTAKES = 24
SHOWN_RIGHT = 16  # of each of the two kinds
NAME_CHARACTERS = 40  # of a file's name below its image; the end is kept, which tells files apart
TITLE_CHARACTERS = 300  # of the whole name, which shows when the pointer rests on it


@dataclass(frozen=True)
class Example:
    """An answer with its image. Texts hold no control characters; they come from users and are still to be escaped."""

    image: str  # data URI
    truth: str
    answer: str
    confidence: float
    name: str = ""  # where the image came from, shortened; empty where the shards do not tell
    title: str = ""  # the same, longer
    link: str = ""  # address of the file where it lies on this machine


@dataclass(frozen=True)
class Answers:
    """A model's answers for N rows, with what the examples are made from."""

    test: DatasetSplit
    probabilities: NDArray[np.float32]  # N x K
    classes: Sequence[str]
    folder: Path | None = None  # the source, where it is a folder on this machine

    def mistakes(self) -> list[Example]:
        """The wrong answers that the model was most confident of, in that order."""
        wrong = np.flatnonzero(~self._is_right)
        return self._examples(wrong[np.argsort(-self._confidence[wrong], kind="stable")][:SHOWN_MISTAKES])

    def least_certain(self) -> list[Example]:
        """The right answers that the model was least confident of, in that order; of few ones half."""
        return self._examples(self._by_confidence[: self._shown_right])

    def surest(self) -> list[Example]:
        """Of the other right answers those that it was most confident of: the best of each class, then the second, …"""
        right = self._by_confidence[self._shown_right :][::-1]
        labels = self.test.labels[right]
        place = np.zeros(len(right), np.int64)  # within its class
        for label in np.unique(labels):
            place[labels == label] = np.arange((labels == label).sum())
        chosen = right[np.argsort(place, kind="stable")][:SHOWN_RIGHT]
        return self._examples(chosen[np.argsort(self.test.labels[chosen], kind="stable")])

    @property
    def wrong_rows(self) -> int:
        """How many answers are wrong."""
        return int((~self._is_right).sum())

    @cached_property
    def _by_confidence(self) -> NDArray[np.int64]:
        """The rows that are right, the least confident first."""
        right = np.flatnonzero(self._is_right)
        return right[np.argsort(self._confidence[right], kind="stable")]

    @property
    def _shown_right(self) -> int:
        return min(SHOWN_RIGHT, -(-len(self._by_confidence) // 2))

    @cached_property
    def _is_right(self) -> NDArray[np.bool_]:
        return self.probabilities.argmax(axis=1) == self.test.labels  # type: ignore[no-any-return]

    @cached_property
    def _confidence(self) -> NDArray[np.float32]:
        return self.probabilities.max(axis=1)  # type: ignore[no-any-return]

    def _examples(self, rows: NDArray[np.int64]) -> list[Example]:
        return [self._example(row) for row in rows.tolist()]

    def _example(self, row: int) -> Example:
        sources = self.test.sources
        source = sources[row] if sources else ""
        return Example(
            image=thumbnail_data_uri(self.test.images_NHWC(row, row + 1)[0]),
            truth=self.classes[self.test.labels[row]],
            answer=self.classes[int(self.probabilities[row].argmax())],
            confidence=float(self.probabilities[row].max()),
            name=shortened(source, NAME_CHARACTERS),
            title=shortened(source, TITLE_CHARACTERS),
            link=file_link(self.folder, source) if source else "",
        )


def shortened(name: str, most: int) -> str:
    """The end of a name that others chose, with control characters made visible."""
    shown = one_line(name[-2 * most :])
    return shown if len(shown) <= most and len(name) <= 2 * most else f"…{shown[1 - most :]}"


def file_link(folder: Path | None, source: str) -> str:
    """The address of a file inside a source's folder; empty where there is no such file on this machine."""
    if folder is None:
        return ""
    try:
        path = (folder / source).resolve()
        return path.as_uri() if path.is_relative_to(folder.resolve()) and path.is_file() else ""
    except (OSError, ValueError, RuntimeError):  # no path at all: too long, with a NUL, a loop of links
        return ""
