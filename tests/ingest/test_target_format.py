"""`ingest.size=auto`: one size for all images of a source."""

from collections import Counter

import pytest

from forebay.ingest.decode_outcome import DecodeOutcome, ImageShape
from forebay.ingest.target_format import choose_target_format
from forebay.settings import IngestConfig

SIZES = [(40 + side, 90 - side) for side in range(0, 50, 2)]  # 25 sizes; shorter sides from 40 to 64 and back


def outcomes(sizes: dict[tuple[int, int], int]) -> Counter[DecodeOutcome]:
    return Counter({DecodeOutcome(ImageShape(*size, 3), None): count for size, count in sizes.items()})


def test_of_many_sizes_none_of_which_is_common_the_middle_shorter_side_makes_a_square() -> None:
    chosen = choose_target_format(outcomes({size: 1 for size in SIZES} | {(1123, 794): 3}), IngestConfig())
    shorter = sorted([min(size) for size in SIZES] + [794] * 3)
    assert chosen.shape[:2] == (shorter[14],) * 2
    assert chosen.is_middle


@pytest.mark.parametrize("common", [25, 400])
def test_a_size_that_half_the_images_have_stays_the_size(common: int) -> None:
    chosen = choose_target_format(outcomes({size: 1 for size in SIZES} | {(30, 50): common}), IngestConfig())
    assert (chosen.shape[:2], chosen.is_middle) == ((30, 50), False)


def test_few_sizes_are_no_mixture() -> None:
    assert choose_target_format(outcomes({size: 1 for size in SIZES[:5]}), IngestConfig()).size in SIZES[:5]


def test_where_other_sizes_are_quarantined_some_images_must_have_the_size() -> None:
    config = IngestConfig(on_size="quarantine")
    assert choose_target_format(outcomes({size: 1 for size in SIZES}), config).size in SIZES


def test_the_square_has_the_ceiling_too() -> None:
    large = {(height * 10, width * 10): 1 for height, width in SIZES}
    chosen = choose_target_format(outcomes(large), IngestConfig())
    assert chosen.shape[:2] == (224, 224)
    assert chosen.size[0] > 400
