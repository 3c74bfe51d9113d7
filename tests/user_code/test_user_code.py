"""Code that a person brings: what names it, how its text travels, how it is loaded and what its errors say."""

import base64
import os
import sys
import zlib
from pathlib import Path

import pytest

from forebay.errors import ConfigError, UserCodeError
from forebay.user_code import (
    MODELS_GROUP,
    SOURCES_GROUP,
    code_rule,
    decode_code,
    encode_code,
    entry_point_names,
    explain_user_errors,
    find_entry_point,
    load_code,
    looks_like_code,
    package_identity,
    parse_reference,
    read_code,
)
from support.user_packages import install_package

NET = "class Net:\n    def __init__(self, channels: int) -> None:\n        self.channels = channels\n"


def load(text: str, name: str = "net.py:Net") -> object:
    return load_code(parse_reference(name), text, MODELS_GROUP)


@pytest.mark.parametrize("text", ["net.py:Net", "folder/net.py:Net", "/a b/net.py:make_net", "package.module:factory"])
def test_a_reference_reads_back_as_it_was_written(text: str) -> None:
    assert str(parse_reference(text)) == text
    assert looks_like_code(text)


@pytest.mark.parametrize("text", ["resnet18", "timm/resnet18", "s3://bucket/a", "digits", "/data/a:b", ".py:Net"])
def test_names_paths_and_addresses_do_not_look_like_code(text: str) -> None:
    assert not looks_like_code(text)


def test_a_file_without_a_name_in_it_is_told_to_name_one() -> None:
    with pytest.raises(ConfigError, match=r"'net.py' names a file and no class or function in it. Write net.py:NAME."):
        parse_reference("net.py")


@pytest.mark.parametrize("text", ["net.py:1st", "a b:c", "", "é!"])
def test_what_names_no_code_is_refused_with_the_three_forms(text: str) -> None:
    with pytest.raises(ConfigError, match=r"FILE.py:NAME, package.module:NAME, or the name of an entry point"):
        parse_reference(text)


def test_the_text_of_a_file_travels_as_one_line_and_comes_back_the_same(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET + "# größer\n", encoding="utf-8")
    text = read_code(tmp_path / "net.py")
    line = encode_code(text)
    assert line == encode_code(text)
    assert line.isascii()
    assert "\n" not in line
    assert decode_code(line, "train.model_code") == NET + "# größer\n"
    assert code_rule(line) is None
    assert code_rule("") is None


@pytest.mark.parametrize(
    "line", ["x", "eJw=", base64.b64encode(zlib.compress(b"\xff")).decode(), base64.b64encode(b"plain").decode()]
)
def test_a_line_that_the_command_line_did_not_write_is_refused(line: str) -> None:
    with pytest.raises(ConfigError, match=r"^train.model_code "):
        decode_code(line, "train.model_code")
    assert code_rule(line)


def test_a_line_that_would_unpack_to_more_than_a_file_may_hold_is_refused() -> None:
    bomb = base64.b64encode(zlib.compress(b"#" * (64 << 20), 9)).decode()
    with pytest.raises(ConfigError, match="is not the text of a Python file"):
        decode_code(bomb, "train.model_code")


def test_files_that_cannot_be_read_are_named_with_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "large.py").write_bytes(b"#" * (1 << 20))
    (tmp_path / "latin.py").write_bytes(b"x = 1\nname = 'gr\xfc\xdfe'\n")
    os.mkfifo(tmp_path / "pipe.py")
    wrong = {
        "none.py": r"none.py cannot be read: No such file or directory",
        "large.py": r"large.py is larger than 256 KiB. Put large code",
        "latin.py": r"latin.py line 2 is no UTF-8",
        "pipe.py": r"pipe.py is no regular file",
    }
    for name, words in wrong.items():
        with pytest.raises(ConfigError, match=words):
            read_code(tmp_path / name)


def test_a_syntax_error_is_named_by_its_line_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import os\n\ndef net(:\n    pass\n")
    with pytest.raises(ConfigError, match=r"net.py line 3 is no Python: .*: def net\(:"):
        read_code(tmp_path / "net.py")


def test_reading_a_file_runs_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    encode_code(read_code(tmp_path / "net.py"))
    assert not (tmp_path / "ran").exists()


def test_a_class_is_loaded_from_a_text_into_a_module_of_its_own() -> None:
    path = list(sys.path)
    net = load(NET)
    assert net(3).channels == 3  # type: ignore[operator]
    assert net.__module__ != "net"
    assert load(NET) is net
    assert sys.path == path


def test_dataclasses_and_annotations_in_a_text_work() -> None:
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    text = f"{head}@dataclass\nclass Net:\n    a: int = 1\n"
    assert load(text)().a == 1  # type: ignore[operator]


def test_a_missing_name_is_told_with_near_ones() -> None:
    with pytest.raises(UserCodeError, match=r"^net.py:Nett: net.py has no Nett. Did you mean Net\?"):
        load(NET, "net.py:Nett")
    with pytest.raises(UserCodeError, match=r"net.py has no factory. It defines Net."):
        load(NET, "net.py:factory")


def test_an_exception_at_import_shows_the_users_lines_and_none_of_ours() -> None:
    text = "def half(value):\n    return 1 / value\n\nclass Net:\n    scale = half(0)\n"
    with pytest.raises(UserCodeError) as caught:
        load(text)
    assert str(caught.value) == (
        "net.py:Net: importing it failed: net.py line 4: class Net:; net.py line 5 in Net: scale = half(0); "
        "net.py line 2 in half: return 1 / value; ZeroDivisionError: division by zero"
    )
    assert not [
        name for name in sys.modules if name.startswith("forebay_user_code_net") and "half" in vars(sys.modules[name])
    ]


def test_a_text_that_ends_the_process_is_an_error_of_the_text() -> None:
    with pytest.raises(UserCodeError, match=r"net.py line 2: sys.exit\(3\); SystemExit: 3"):
        load("import sys\nsys.exit(3)\n")


def test_a_file_beside_the_users_is_named_as_what_does_not_travel() -> None:
    with pytest.raises(
        UserCodeError, match=r"net.py line 1: from layers_of_mine import block; .*Only net.py itself travels"
    ):
        load("from layers_of_mine import block\n")


def test_a_module_that_is_not_installed_is_named() -> None:
    with pytest.raises(
        UserCodeError, match=r"there is no module no_such_package. Install its package where the step runs"
    ):
        load("", "no_such_package.nets:Net")


def test_an_error_while_the_code_works_shows_its_own_lines() -> None:
    make = load("def Net(channels):\n    return [][channels]\n")
    with (
        pytest.raises(
            UserCodeError, match=r"^net.py:Net: calling it failed: net.py line 2 in Net: return \[\]\[channels\]; Index"
        ),
        explain_user_errors("net.py:Net", "calling it", make.__module__),
    ):
        make(3)  # type: ignore[operator]


def test_ctrl_c_in_the_users_code_stays_what_it_is() -> None:
    with pytest.raises(KeyboardInterrupt):
        load("raise KeyboardInterrupt\n")


def test_an_entry_point_of_an_installed_package_is_found_by_name_and_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_package(
        tmp_path,
        monkeypatch,
        "photo-club",
        {SOURCES_GROUP: {"club": "photo_club.read:Photos"}},
        {"read.py": "Photos = 7\n"},
    )
    assert "club" in entry_point_names(SOURCES_GROUP)
    found = find_entry_point(SOURCES_GROUP, "club")
    assert (found.package, str(found.reference)) == ("photo-club 1.0", "photo_club.read:Photos")
    assert "photo_club" not in sys.modules
    assert load_code(parse_reference("club"), "", SOURCES_GROUP) == 7
    with pytest.raises(
        ConfigError, match=r"No installed package brings 'clubs' in forebay.sources. Near names are club."
    ):
        find_entry_point(SOURCES_GROUP, "clubs")


def test_a_name_that_two_packages_bring_is_refused_with_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("one", "two"):
        install_package(
            tmp_path / package,
            monkeypatch,
            f"club-{package}",
            {SOURCES_GROUP: {"shared": f"club_{package}:Photos"}},
            {},
        )
    with pytest.raises(ConfigError, match=r"brought by 2 packages \(club-one 1.0, club-two 1.0\). Name the one"):
        find_entry_point(SOURCES_GROUP, "shared")


def test_the_identity_of_a_package_changes_with_its_code_and_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_package(tmp_path, monkeypatch, "film-club", {}, {"read.py": "Photos = 7\n"})
    reference = parse_reference("film_club.read:Photos")
    before = package_identity(reference, SOURCES_GROUP)
    assert before == package_identity(reference, SOURCES_GROUP)
    (tmp_path / "film_club" / "read.py").write_text("Photos = 8\n")
    assert package_identity(reference, SOURCES_GROUP) != before
    assert "film_club" not in sys.modules
    assert package_identity(parse_reference("no_such_package:Net"), SOURCES_GROUP) == "not-installed-here"
