"""Images that are made to stop a decoder are set aside under a reason of their own, and the rest is taken."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from forebay.contracts.manifest import DataManifest
from forebay.contracts.rows import QUARANTINE
from forebay.errors import DataError
from forebay.ingest.quarantine.table import quarantine_rows
from support.costly_images import chunk, grey_tiff, many_scans, png, tiff
from support.small_images import draw, write_folder

Ingest = Callable[..., DataManifest]


def plant_bombs(folder: Path) -> None:
    """Each took between ten seconds and minutes, or gigabytes of memory."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scans.jpg").write_bytes(many_scans(6250, 8000, 26_600))
    (folder / "chunks.png").write_bytes(png(chunk(b"abCd", b"") * 1_000_000))
    tile = grey_tiff(16, 16, t259=(3, 1, 8), t322=(4, 1, 40_000), t323=(4, 1, 40_000), t324=(4, 1, 8), t325=(4, 1, 9))
    (folder / "tile.tiff").write_bytes(tiff(tile))


def test_bombs_are_set_aside_by_name_and_what_people_have_is_taken(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes", per_class=20)
    plant_bombs(tmp_path / "shapes" / "ring")
    Image.fromarray(draw("ring", 77, 64, 64)).save(tmp_path / "shapes" / "ring" / "web.jpg", progressive=True)
    manifest = run_ingest(tmp_path / "shapes", tmp_path / "out", max_quarantine=0.5)
    assert manifest.quarantined == {"too_costly": 3}
    assert manifest.rows == 41
    details = {row["source"]: row["detail"] for row in quarantine_rows(tmp_path / "out" / QUARANTINE)}
    assert details["ring/chunks.png"] == "a PNG of more than 100000 chunks, which is as many as are read"
    assert details["ring/scans.jpg"].startswith("a JPEG whose scans walk over its 6250x8000 pixels too often")
    assert "in tiles of 40000x40000, which cover 1600000000 pixels" in details["ring/tile.tiff"]


def test_a_source_of_bombs_is_refused_with_what_they_are(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "shapes", per_class=2)
    plant_bombs(tmp_path / "shapes" / "ring")
    with pytest.raises(DataError, match=r"3 too_costly.*far more work than their pixels are worth.*saved again"):
        run_ingest(tmp_path / "shapes", tmp_path / "out")
