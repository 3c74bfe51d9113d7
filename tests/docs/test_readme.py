"""The README stays short, and its tree is what lies in the package."""

import re

from support.markdown_pages import README, ROOT

PACKAGE = ROOT / "src" / "forebay"
MOST_LINES, MOST_WORDS = 150, 1400


def test_it_is_read_in_five_minutes() -> None:
    assert len(README.text.splitlines()) <= MOST_LINES
    assert len(README.text.split()) <= MOST_WORDS


def test_its_tree_names_every_entry_of_the_package_and_no_other() -> None:
    tree = re.search(r"^src/forebay/\n((?:  .*\n)+)", README.text, re.MULTILINE)
    assert tree is not None
    named = [name for line in tree[1].splitlines() for name in line.strip().split("  ")[0].split()]
    there = {f"{path.name}/" if path.is_dir() else path.name for path in PACKAGE.iterdir()} - {"__pycache__/"}
    assert sorted(named) == sorted(there)


def test_the_folders_of_its_tree_are_there() -> None:
    tree = README.text.split("## Repository layout")[1].split("```")[1]
    folders = re.findall(r"^(\w[\w/]*/)  ", tree, re.MULTILINE)
    assert len(folders) >= 8
    assert [name for name in folders if not (ROOT / name).is_dir()] == []


def test_what_it_clones_is_what_the_container_images_say_they_are_made_of() -> None:
    [source] = re.findall(r'^SOURCE = "(.*)"$', (ROOT / "docker" / "build.py").read_text(), re.MULTILINE)
    assert f"git clone {source} && cd forebay\n" in README.text
