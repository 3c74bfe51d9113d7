"""What is said of images that are not taken, and the command that lists them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from forebay.cli.main import group
from forebay.contracts.manifest import DataManifest
from forebay.errors import DataError
from forebay.ingest import ingest
from forebay.ingest.quarantine.table import quarantine_location
from forebay.settings import IngestConfig
from forebay.state import Home, RunFolder, StepLog, write_json
from support.small_images import draw, plant_bad_files, write_folder

Ingest = Callable[..., DataManifest]


def quarantine(*words: str) -> Result:
    return CliRunner().invoke(group, ["quarantine", *words])


def ingest_run(home: Home, data: Path, **settings: float) -> RunFolder:
    """A run of this state folder in which ingest ran."""
    run = home.new_run()
    write_json(run.plan, {"parameters": {"ingest_data": str(data), "train_epochs": 3}})
    log = StepLog(name="ingest", run_id=run.run_id, home=home, events=run.events)
    ingest(run.folder / "out", IngestConfig(data=str(data), **settings), log)  # type: ignore[arg-type]
    return run


def test_the_command_lists_the_table_of_a_run_of_a_cached_one_and_of_a_folder(
    spark: object, home: Home, tmp_path: Path
) -> None:
    write_folder(tmp_path / "shapes", per_class=20)
    plant_bad_files(tmp_path / "shapes")
    run = ingest_run(home, tmp_path / "shapes", max_quarantine=0.5)
    listed = quarantine(run.run_id)
    assert listed.exit_code == 0
    assert [line.split("\t")[:3] for line in listed.stdout.splitlines()] == [
        ["cross/empty.png", "cross", "unreadable"],
        ["cross/truncated.png", "cross", "unreadable"],
        ["cross/zz-duplicate.png", "cross", "duplicate"],
        ["cross/zz-two-labels.png", "cross", "conflicting_labels"],
        ["ring/text.png", "ring", "unreadable"],
        ["ring/zz-two-labels.png", "ring", "conflicting_labels"],
    ]
    assert "the file is empty" in listed.stdout
    later = home.new_run()  # the same ingest, from the cache
    write_json(later.plan, {"parameters": {"ingest_data": str(tmp_path / "shapes"), "train_epochs": 5}})
    assert quarantine().stdout == quarantine(str(run.folder / "out")).stdout == listed.stdout
    assert [row["reason"] for row in json.loads(quarantine("--json").stdout)["quarantined"]][2] == "duplicate"


def test_a_run_that_is_not_there_a_folder_that_is_another_and_nothing_quarantined_are_said(
    spark: object, home: Home, tmp_path: Path
) -> None:
    write_folder(tmp_path / "shapes", per_class=10)
    assert quarantine("20200101-000000-000000").exit_code == 2
    other = quarantine(str(tmp_path / "shapes"))
    assert (other.exit_code, "it is not what `forebay ingest` wrote" in other.stderr) == (2, True)
    ingest_run(home, tmp_path / "shapes")
    assert (quarantine().stdout, quarantine().stderr) == ("", "Nothing is quarantined.\n")


def test_a_run_whose_ingest_is_gone_says_how_to_read_the_images_again(home: Home) -> None:
    write_json(home.new_run().plan, {"parameters": {"ingest_data": "digits"}})
    found = quarantine()
    assert found.exit_code == 2
    assert "`forebay run --fresh` reads the images again" in found.stderr


def test_a_flat_split_is_listed_and_not_held_against_the_limit(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "plants" / "train", per_class=10)
    (tmp_path / "plants" / "test").mkdir()
    for number in range(40):
        Image.fromarray(draw("ring", 500 + number)).save(tmp_path / "plants" / "test" / f"{number}.png")
    manifest = run_ingest(tmp_path / "plants", tmp_path / "out")
    assert (manifest.classes, manifest.quarantined["unlabelled"]) == (["cross", "ring"], 40)
    assert "Unlabelled and set aside: 40 images of test/, which has no class folders as other splits have." in (
        manifest.warnings
    )


def test_a_refusal_names_files_what_they_are_and_their_suffixes(run_ingest: Ingest, tmp_path: Path) -> None:
    write_folder(tmp_path / "cloned", per_class=8)
    for number, path in enumerate(sorted((tmp_path / "cloned" / "ring").iterdir())):
        path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{number:064x}\nsize {number}\n")
    with pytest.raises(DataError) as caught:
        run_ingest(tmp_path / "cloned", tmp_path / "out")
    said = str(caught.value)
    assert "8 of 16 images (50.0%) are quarantined" in said
    assert "The first: ring/000.png: a Git LFS pointer, not the image: run `git lfs pull`" in said
    assert "; ring/001.png: " in said
    assert "Suffixes: .png (8)" in said


def test_where_the_whole_table_is_hangs_on_where_the_step_runs(home: Home, tmp_path: Path) -> None:
    run = home.new_run()
    in_run = StepLog(name="ingest", run_id=run.run_id, home=home, events=run.events)
    alone = StepLog(name="ingest", run_id="x", home=home, events=tmp_path / "events.jsonl")
    in_pod = StepLog(name="ingest", run_id="x", home=home)
    assert quarantine_location(tmp_path, in_run) == f"`forebay quarantine {run.run_id}` lists them all"
    assert quarantine_location(tmp_path, alone) == f"`forebay quarantine {tmp_path}` lists them all"
    assert quarantine_location(tmp_path, in_pod) == f"{tmp_path / 'quarantine'} (Parquet) holds them all"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"class_level": "3"},
            r"cat/0\.png: above the folders that ingest\.class_level=3 takes as classes; .* lists them all; give them "
            r"labels\. ingest\.class_level=3 makes folders of that depth classes; there are none above it\.",
        ),
        (
            {"labels": "labels.csv", "max_quarantine": 0.1},
            r"lists them all; give them labels, or raise ingest\.max_quarantine\. Images get their label from the "
            r"line of the table that names them\.",
        ),
        (
            {},
            r"3 duplicate\. .* mend the images, or raise ingest\.max_quarantine\. Images lie there more than once, "
            r"such as in a copy of a folder: give one of them\.",
        ),
    ],
)
def test_a_refusal_says_what_helps_with_its_commonest_reason(
    run_ingest: Ingest, tmp_path: Path, settings: dict[str, object], words: str
) -> None:
    for name in ("cat/0", "cat/1", "cat/2", "dog/3", "dog/4", "dog/5"):
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 40 * int(name[-1])).save(tmp_path / "p" / f"{name}.png")
    if not settings:
        for number in range(3):
            (tmp_path / "p" / "cat" / f"copy-{number}.png").write_bytes((tmp_path / f"p/cat/{number}.png").read_bytes())
    (tmp_path / "p" / "labels.csv").write_text("file,label\n0,cat\n3,dog\n")
    with pytest.raises(DataError, match=words):
        run_ingest(tmp_path / "p", tmp_path / "out", **settings)
