import random

import pyarrow as pa
import pytest

from forebay.contracts.rows import content_digest
from forebay.ingest.decode_outcome import ImageShape
from forebay.ingest.deduplication import deduplicate
from forebay.ingest.index.image_index import ImageRecord, build_index
from forebay.ingest.index.parts import PartLimits, part_starts
from forebay.ingest.summary.class_order import order_classes
from forebay.ingest.summary.class_warnings import class_warnings

KEPT = [(f"{number:064x}", "cat" if number % 2 else "dog", None) for number in range(9)]


def kept_table(rows: list[tuple[str, str, str | None]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, pa.string()) for column in columns], ["sha256", "label_name", "split"])


def digest(rows: list[tuple[str, str, str | None]], classes: tuple[str, ...] = ("cat", "dog")) -> str:
    return content_digest(kept_table(rows), ImageShape(2, 2, 1), classes)


def test_the_digest_does_not_depend_on_the_order() -> None:
    shuffled = KEPT.copy()
    random.Random(1).shuffle(shuffled)
    assert digest(shuffled) == digest(KEPT)


@pytest.mark.parametrize(
    "other",
    [
        KEPT[:-1],
        [*KEPT[:-1], ("f" * 64, "cat", None)],
        [*KEPT[:-1], (KEPT[-1][0], "cat", None)],
        [*KEPT[:-1], (*KEPT[-1][:2], "test")],
    ],
)
def test_a_missing_row_another_pixel_label_or_split_each_change_the_digest(
    other: list[tuple[str, str, str | None]],
) -> None:
    assert digest(other) != digest(KEPT)


def test_another_class_name_changes_the_digest() -> None:
    assert digest(KEPT, ("cat", "wolf")) != digest(KEPT)


def index(*sources: tuple[str, str]) -> pa.Table:
    return build_index(ImageRecord(source, label, None, b"/x", row, 1) for row, (source, label) in enumerate(sources))


def group(sha: str, first: int, rows: int, low: int, high: int) -> dict[str, object]:
    return {"sha256": sha, "first": first, "rows": rows, "low": low, "high": high}


def test_the_first_by_path_is_kept_and_pixels_under_two_labels_are_not() -> None:
    table = index(("b/9", "b"), ("a/1", "a"), ("a/2", "a"), ("a/3", "a"))
    groups = pa.Table.from_pylist([group("same", 0, 2, 0, 0), group("both", 2, 2, 0, 1)])
    result = deduplicate(groups, table)
    assert result.quarantined == {"duplicate": 1, "conflicting_labels": 2}
    assert result.kept.to_pylist() == [{"sha256": "same", "label_name": "a", "split": None}]
    assert result.repeated.to_pylist() == [
        {"sha256": "same", "first": 0, "conflicting": False, "source": "a/1"},
        {"sha256": "both", "first": 2, "conflicting": True, "source": "a/3"},
    ]


def test_nothing_readable_gives_an_empty_verdict() -> None:
    groups = pa.Table.from_pylist([group("x", 0, 1, 0, 0)]).slice(0, 0)
    result = deduplicate(groups, index(("a", "a")))
    assert (len(result.kept), len(result.repeated), result.quarantined) == (0, 0, {})


def test_numeric_names_sort_by_number_and_others_by_text() -> None:
    assert order_classes(["10", "9", "1"]) == ["1", "9", "10"]
    assert order_classes(["10", "9", "x"]) == ["10", "9", "x"]


def test_few_rows_uneven_classes_and_a_lost_class_are_said() -> None:
    warnings = class_warnings({"cat": 110, "dog": 9}, ["cat", "dog", "owl"], 10)
    assert len(warnings) == 3
    assert "No usable image is left of owl" in warnings[0]
    assert "Fewer than 10 rows: dog (9)" in warnings[1]
    assert "cat has 110 rows and dog has 9" in warnings[2]
    assert class_warnings({"cat": 100, "dog": 10}, ["cat", "dog"], 10) == []


def test_rows_of_one_place_are_never_parted_and_parts_stay_small() -> None:
    few_rows = PartLimits(max_rows=2)
    groups = build_index(ImageRecord(f"f#{row}", "a", None, b"/f", row // 3, 10) for row in range(9))
    assert part_starts(groups, few_rows) == [0, 3, 6]
    ranges = build_index(ImageRecord(f"f#{row}", "a", None, b"/f", row, 10) for row in range(5))
    assert part_starts(ranges, few_rows) == [0, 2, 4]
    assert part_starts(ranges, PartLimits(max_rows=2, max_bytes=15)) == [0, 1, 2, 3, 4]
