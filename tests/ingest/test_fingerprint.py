import os
import subprocess
import sys
from pathlib import Path

import pytest

from forebay.errors import ConfigError
from forebay.ingest.fingerprint import absolute_labels, source_fingerprint
from support.s3_server import S3Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(b"one")
    (tmp_path / "cat" / "2.png").write_bytes(b"two")
    return tmp_path


def test_the_same_files_give_the_same_fingerprint(folder: Path) -> None:
    assert source_fingerprint(str(folder)) == source_fingerprint(str(folder))


def test_an_edit_of_equal_size_changes_it_even_with_the_old_time_put_back(folder: Path) -> None:
    before = source_fingerprint(str(folder))
    image = folder / "cat" / "1.png"
    status = image.stat()
    image.write_bytes(b"ONE")
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert source_fingerprint(str(folder)) != before


@pytest.mark.parametrize("change", ["add", "remove", "rename"])
def test_adding_removing_and_renaming_change_it(folder: Path, change: str) -> None:
    before = source_fingerprint(str(folder))
    image = folder / "cat" / "1.png"
    if change == "add":
        (folder / "cat" / "3.png").write_bytes(b"three")
    elif change == "remove":
        image.unlink()
    else:
        image.rename(folder / "cat" / "9.png")
    assert source_fingerprint(str(folder)) != before


def test_what_a_file_manager_leaves_behind_does_not_change_it(folder: Path) -> None:
    before = source_fingerprint(str(folder))
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "1.png").write_bytes(b"x")
    assert source_fingerprint(str(folder)) == before


def test_nothing_at_the_path_is_wrong_use_and_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is nothing at .*gone\. Give an existing file or folder"):
        source_fingerprint(str(tmp_path / "gone"))


def test_another_scheme_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"s3://bucket/prefix, got 'gs://bucket/images'"):
        source_fingerprint("gs://bucket/images")


def test_an_s3_object_edited_to_equal_size_changes_it(folder: Path, s3: S3Store) -> None:
    uri = s3.upload(folder, "fingerprints", "folder")
    before = source_fingerprint(uri)
    assert source_fingerprint(uri) == before
    s3.client.put_object(Bucket="fingerprints", Key="folder/cat/1.png", Body=b"ONE")
    assert source_fingerprint(uri) != before


def test_hadoops_name_of_the_scheme_means_the_same_objects(folder: Path, s3: S3Store) -> None:
    uri = s3.upload(folder, "fingerprints", "folder")
    assert source_fingerprint(uri.replace("s3://", "s3a://")) == source_fingerprint(uri)


@pytest.mark.parametrize("uri", ["s3://no-such-bucket/x", "s3://fingerprints/nothing-here", "s3:///x"])
def test_what_s3_does_not_have_is_wrong_use(uri: str, folder: Path, s3: S3Store) -> None:
    s3.upload(folder, "fingerprints", "folder")
    with pytest.raises(ConfigError, match=r"ingest\.data"):
        source_fingerprint(uri)


def test_credentials_come_from_the_environment_and_from_no_file_that_it_does_not_name(
    folder: Path, s3: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = s3.upload(folder, "fingerprints", "folder")
    keys = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    (tmp_path / ".aws").mkdir()
    lines = ["[default]", *(f"{name.lower()} = {value}" for name, value in keys.items())]
    (tmp_path / ".aws" / "credentials").write_text("\n".join(lines))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in keys:
        monkeypatch.delenv(name)
    with pytest.raises(ConfigError, match="credentials"):
        source_fingerprint(uri)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / ".aws" / "credentials"))
    source_fingerprint(uri)


def test_taking_a_local_fingerprint_loads_nothing_heavy() -> None:
    code = (
        "import sys; from forebay.ingest.fingerprint import source_fingerprint; source_fingerprint('digits');"
        "print(sorted({'boto3', 'numpy', 'PIL', 'pyarrow', 'pyspark', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_table_of_labels_elsewhere_is_part_of_it_and_one_inside_already_was(tmp_path: Path) -> None:
    data, table = tmp_path / "photos", tmp_path / "labels.csv"
    data.mkdir()
    for path in (table, data / "inside.csv"):
        path.write_text("file,label\n1.png,cat\n")
    before = source_fingerprint(str(data), str(table))
    assert before != source_fingerprint(str(data))
    assert source_fingerprint(str(data), "inside.csv") == source_fingerprint(str(data))
    table.write_text("file,label\n1.png,dogs\n")
    assert source_fingerprint(str(data), str(table)) != before


def test_a_table_of_the_working_folder_is_named_in_full_unless_the_source_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    for path in (tmp_path / "mine.csv", tmp_path / "both.csv", tmp_path / "photos" / "both.csv"):
        path.touch()
    monkeypatch.chdir(tmp_path)
    named = {name: absolute_labels(str(tmp_path / "photos"), name) for name in ("", "mine.csv", "both.csv", "s3://b/k")}
    assert named == {"": "", "mine.csv": str(tmp_path / "mine.csv"), "both.csv": "both.csv", "s3://b/k": "s3://b/k"}
