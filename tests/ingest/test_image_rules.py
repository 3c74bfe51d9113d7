"""Nothing of an image is lost in silence: depth of 16-bit images, sizes above the ceiling, other aspect ratios."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pytest
from numpy.typing import NDArray
from PIL import Image

from forebay.contracts.manifest import DataManifest
from forebay.images import BitDepth
from forebay.ingest.decode_outcome import DecodeOutcome, ImageShape, count_outcomes, outcome_batch
from forebay.ingest.summary.image_warnings import image_warnings
from forebay.ingest.target_format import TargetFormat, choose_target_format
from forebay.settings import IngestConfig
from support.small_images import draw

Ingest = Callable[..., DataManifest]

RNG = np.random.default_rng(11)


def write(root: Path, name: str, values: NDArray[Any], suffix: str = "png", **options: Any) -> None:
    path = root / f"{name}.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)


def write_scans(root: Path, top: int, suffix: str = "png", rows: int = 12) -> None:
    """Two classes of 16-bit grey whose largest value is `top`, dark and light."""
    for row in range(rows):
        for name, low in (("bone", 0), ("soft", top // 2)):
            values = RNG.integers(low, low + top // 2, (16, 16)).astype(np.uint16)
            values[0, 0] = top
            write(root, f"{name}/{row}", values, suffix)


def levels(out: Path) -> set[int]:
    pixels = ds.dataset(out / "rows", format="parquet").to_table(["pixels"])["pixels"].to_pylist()
    return set().union(*pixels)


def test_12_bits_in_16_keep_their_grey_levels_and_the_manifest_says_so(run_ingest: Ingest, tmp_path: Path) -> None:
    write_scans(tmp_path / "ct", 4095)
    write(tmp_path / "ct", "bone/eight-bits", draw("ring", 1, 16, 16))  # mixed sources are one brightness
    manifest = run_ingest(tmp_path / "ct", tmp_path / "out")
    assert len(levels(tmp_path / "out")) > 250
    assert manifest.settings["bits"] == "12"
    assert manifest.warnings == [
        "24 images have 16 bits a value and use 12 of them: 0 to 4095 became 0 to 255 (ingest.bits=auto). "
        "ingest.bits=16 keeps the high byte instead."
    ]
    high = run_ingest(tmp_path / "ct", tmp_path / "out", bits="16", max_quarantine=0.5)
    assert high.settings["bits"] == "16"
    scans = ds.dataset(tmp_path / "out" / "rows", format="parquet").to_table(["source", "pixels"]).to_pylist()
    assert max(max(row["pixels"]) for row in scans if "eight" not in row["source"]) == 15


def test_a_wrong_guess_of_the_depth_is_mended_and_hot_pixels_are_named(run_ingest: Ingest, tmp_path: Path) -> None:
    """200 scans, of which the sample sees every third: none of those has the hot pixel."""
    sampled = set(np.linspace(0, 199, 64).astype(int).tolist())
    for row in range(200):
        values = RNG.integers(0, 1024, (6, 6)).astype(np.uint16)
        values[0, 0] = 1023
        if row == next(row for row in range(200) if row not in sampled):
            values[3, 3] = 60000
        write(tmp_path / "d", f"{'even' if row < 100 else 'odd'}/{row:03d}", values, "tiff")
    manifest = run_ingest(tmp_path / "d", tmp_path / "out")
    assert manifest.settings["bits"] == "16"
    assert levels(tmp_path / "out") <= {0, 1, 2, 3, 60000 >> 8}
    assert manifest.warnings == [
        "1 of 200 images of 16 bits a value hold values above 1023, nearly all values lie below: scaled from "
        "0..65535, they keep few grey levels. If the large ones are faults (hot pixels), ingest.bits=10 makes them "
        "white."
    ]
    clipped = run_ingest(tmp_path / "d", tmp_path / "out", bits="10")
    assert len(levels(tmp_path / "out")) == 256
    assert clipped.warnings == [
        "1 of 200 images of 16 bits a value hold values above 1023, which ingest.bits=10 makes white. "
        "ingest.bits=auto takes them in."
    ]


def test_a_source_that_uses_16_bits_is_read_by_the_high_byte_without_a_word(run_ingest: Ingest, tmp_path: Path) -> None:
    for row in range(24):
        write(tmp_path / "d", f"{'ab'[row % 2]}/{row}", RNG.integers(0, 65536, (8, 8)).astype(np.uint16))
    manifest = run_ingest(tmp_path / "d", tmp_path / "out")
    assert (manifest.settings["bits"], manifest.warnings) == ("16", [])
    for row in ds.dataset(tmp_path / "out" / "rows", format="parquet").to_table(["source", "pixels"]).to_pylist():
        values = np.asarray(Image.open(tmp_path / "d" / row["source"]))
        assert row["pixels"] == (values >> 8).astype(np.uint8).tobytes()


def test_images_of_a_phone_are_cropped_to_the_ceiling_with_the_keys_that_change_it(
    run_ingest: Ingest, tmp_path: Path
) -> None:
    """Landscape and, by EXIF, portrait; the middle is white, as wide as the shorter side."""
    for row in range(24):
        pixels = np.zeros((300, 400, 3), np.uint8)
        pixels[:, 50:350] = 255 - row
        exif = Image.Exif()
        exif[0x0112] = 6 if row % 2 else 1
        write(tmp_path / "d", f"{'ab'[row // 12]}/{row:02d}", pixels, "jpg", exif=exif, quality=95)
    manifest = run_ingest(tmp_path / "d", tmp_path / "out")
    assert (manifest.height, manifest.width) == (224, 224)
    assert manifest.sizes == {"300x400": 12, "400x300": 12}
    assert (manifest.settings["size"], manifest.settings["fit"], manifest.settings["max_side"]) == (
        "224x224", "crop", 224,
    )  # fmt: skip
    assert manifest.warnings == [
        "The commonest size is 400x300, above ingest.max_side=224: images are stored as 224x224, of each the shorter "
        "side and the centre are kept. ingest.size=400x300 stores them larger.",
        "24 of 24 images have another aspect ratio than 224x224 (12 landscape, 12 portrait): ingest.fit=crop keeps "
        "their centre and cuts off up to 25% of an image. ingest.fit=letterbox keeps all of it, on black.",
    ]
    for pixels in ds.dataset(tmp_path / "out" / "rows", format="parquet").to_table(["pixels"])["pixels"].to_pylist():
        inner = np.frombuffer(pixels, np.uint8).reshape(224, 224, 3)[4:-4, 4:-4]
        assert inner.min() > 220


def test_a_size_that_is_set_has_no_ceiling_and_letterbox_keeps_all(run_ingest: Ingest, tmp_path: Path) -> None:
    for row in range(24):
        write(tmp_path / "d", f"{'ab'[row % 2]}/{row}", np.full((20, 40), 100 + row, np.uint8))
    manifest = run_ingest(tmp_path / "d", tmp_path / "out", size="300x300", fit="letterbox")
    assert (manifest.height, manifest.width) == (300, 300)
    assert manifest.warnings == [
        "24 of 24 images have another aspect ratio than 300x300: ingest.fit=letterbox puts them on black, which is "
        "up to 50% of the result. ingest.fit=crop fills it with their centre."
    ]
    assert 0 in levels(tmp_path / "out")


def test_with_others_quarantined_the_commonest_size_counts_not_the_ceiling(run_ingest: Ingest, tmp_path: Path) -> None:
    for row in range(24):
        shape = (24, 30) if row < 22 else (24, 24)
        write(tmp_path / "d", f"{'ab'[row % 2]}/{row}", np.full(shape, 100 + row, np.uint8))
    manifest = run_ingest(tmp_path / "d", tmp_path / "out", on_size="quarantine", max_side=12)
    assert (manifest.rows, manifest.quarantined) == (22, {"mis_sized": 2})
    assert (manifest.height, manifest.width) == (12, 12)
    details = ds.dataset(tmp_path / "out" / "quarantine", format="parquet").to_table(["detail"])["detail"].to_pylist()
    assert details == ["24x24, not 24x30"] * 2


def test_strangers_among_the_images_are_named_in_the_quarantine_table(run_ingest: Ingest, tmp_path: Path) -> None:
    for row in range(40):
        write(tmp_path / "d", f"{'ab'[row % 2]}/{row}", np.full((8, 8), 100 + row, np.uint8))
    (tmp_path / "d" / "a" / "page.jpg").write_text("<!doctype html><p>Not found")
    (tmp_path / "d" / "b" / "pointer.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert run_ingest(tmp_path / "d", tmp_path / "out").quarantined == {"unreadable": 2}
    table = ds.dataset(tmp_path / "out" / "quarantine", format="parquet").to_table().to_pylist()
    details = {row["source"]: row["detail"] for row in table}
    assert details["a/page.jpg"].startswith("an HTML page, not an image")
    assert "git lfs pull" in details["b/pointer.png"]


@pytest.mark.parametrize(
    ("size", "stored"),
    [
        ((224, 224), (224, 224)),
        ((28, 28), (28, 28)),
        ((3000, 4000), (224, 224)),
        ((200, 300), (200, 224)),
        ((20, 20_000), (20, 224)),
    ],
)
def test_no_side_that_auto_takes_is_above_the_ceiling(size: tuple[int, int], stored: tuple[int, int]) -> None:
    target = choose_target_format(counted((ImageShape(*size, 3), 9)), IngestConfig())
    assert (target.shape[:2], target.size) == (stored, size)


def counted(*found: tuple[ImageShape, int]) -> Counter[DecodeOutcome]:
    return Counter({DecodeOutcome(shape, None): count for shape, count in found})


def test_a_few_images_of_another_aspect_ratio_are_worth_no_warning() -> None:
    config, target = IngestConfig(), TargetFormat(ImageShape(32, 32, 3), (32, 32), 16)
    square, wide = ImageShape(32, 32, 3), ImageShape(32, 64, 3)
    assert image_warnings(counted((square, 95), (wide, 5)), target, config) == []
    assert image_warnings(counted((square, 60), (ImageShape(32, 35, 3), 40)), target, config) == []
    [warning] = image_warnings(counted((square, 94), (wide, 6)), target, config)
    assert warning.startswith("6 of 100 images have another aspect ratio than 32x32: ingest.fit=crop")
    [warning] = image_warnings(counted((wide, 9)), target, IngestConfig(fit="stretch"))
    assert warning == (
        "9 of 9 images have another aspect ratio than 32x32: ingest.fit=stretch squeezes them by up to 50%. "
        "ingest.fit=crop keeps their centre, ingest.fit=letterbox all of it, on black."
    )


def test_outcomes_travel_whole() -> None:
    outcomes = counted((ImageShape(1, 2, 3), 4))
    outcomes[DecodeOutcome(None, "unreadable")] = 5
    outcomes[DecodeOutcome(ImageShape(7, 7, 1), "mis_sized", BitDepth(14, 12))] = 6
    assert count_outcomes(outcome_batch(outcomes).to_pylist()) == outcomes
