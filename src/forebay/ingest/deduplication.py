"""Decides which of equal images are kept; pure functions over Arrow tables of metadata.

The first by source path is kept. The same pixels under two labels are all quarantined, because no label can be trusted.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, kw_only=True)
class DeduplicationResult:
    """Which of the usable images are kept."""

    kept: pa.Table  # sha256, label_name and split of each row that is kept, in no order
    repeated: pa.Table  # one row per image that occurs twice: sha256, position and source of the first, conflicting
    quarantined: dict[str, int]  # number of images by reason

    @property
    def class_rows(self) -> dict[str, int]:
        """The number of rows kept, by class."""
        return _count_values(self.kept["label_name"])

    @property
    def split_rows(self) -> dict[str, int]:
        """The number of rows kept, by split of the source; empty where it has none."""
        return _count_values(self.kept["split"])


def deduplicate(groups: pa.Table, index: pa.Table) -> DeduplicationResult:
    """Decide which image of each group of equal images is kept.

    Args:
        groups: one row per distinct image: sha256, first (the lowest position), rows, low and high (label numbers).
        index: the source's index, which holds label name, split and source of a position.
    """
    records = index.select(["position", "source", "label_name", "split"]).sort_by("position")
    groups = groups.append_column("conflicting", pc.not_equal(groups["low"], groups["high"]))
    agreed = groups.filter(pc.invert(groups["conflicting"]))
    firsts = records.take(agreed["first"])
    repeated = groups.filter(pc.greater(groups["rows"], 1))
    agreed_rows = pc.sum(agreed["rows"]).as_py() or 0
    quarantined = {
        "duplicate": agreed_rows - len(agreed),
        "conflicting_labels": (pc.sum(groups["rows"]).as_py() or 0) - agreed_rows,
    }
    return DeduplicationResult(
        kept=pa.table({"sha256": agreed["sha256"], "label_name": firsts["label_name"], "split": firsts["split"]}),
        repeated=repeated.select(["sha256", "first", "conflicting"]).append_column(
            "source", records.take(repeated["first"])["source"]
        ),
        quarantined={reason: count for reason, count in quarantined.items() if count},
    )


def _count_values(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value occurs, without nulls."""
    counts = pc.value_counts(column.drop_null())
    return {item["values"].as_py(): item["counts"].as_py() for item in counts}
