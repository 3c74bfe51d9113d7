"""A uid without a name: said in words on a machine, given one in the image."""

import os
import pwd
from pathlib import Path

import pytest

from forebay.errors import MachineError
from forebay.ingest.spark.passwd_entry import ensure_username

UID = 54321


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as Java sees it under a uid that nobody has."""

    def nobody(uid: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(os, "getuid", lambda: UID)
    monkeypatch.setattr(pwd, "getpwuid", nobody)


def test_a_uid_with_a_name_changes_nothing(tmp_path: Path) -> None:
    ensure_username(tmp_path / "passwd")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("nameless")
def test_on_a_machine_the_missing_name_is_said_with_what_to_do(tmp_path: Path) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_text("root:x:0:0::/root:/bin/sh\n")
    with pytest.raises(MachineError, match=f"uid {UID}.*forebay/spark"):
        ensure_username(passwd)
    assert passwd.read_text() == "root:x:0:0::/root:/bin/sh\n"


@pytest.mark.usefixtures("nameless")
def test_in_the_image_the_uid_joins_the_known_users(tmp_path: Path) -> None:
    (tmp_path / "passwd.image").write_text("root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "passwd").symlink_to(tmp_path / "tmp" / "passwd")
    ensure_username(tmp_path / "passwd")
    root, ours = (tmp_path / "passwd").read_text().splitlines()
    assert root.startswith("root:")
    assert ours.split(":")[2:4] == [str(UID), str(os.getgid())]
