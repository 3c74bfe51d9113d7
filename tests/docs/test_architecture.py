"""The architecture page says what the import contract and the sources say."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from support.markdown_pages import DOCS, ROOT

PAGE = (DOCS / "architecture.md").read_text()
PACKAGE = ROOT / "src" / "forebay"


def _section(title: str) -> str:
    return re.split(r"^##+ ", PAGE.split(f"# {title}\n")[1], flags=re.MULTILINE)[0]


def _doors() -> list[tuple[str, tuple[str, ...]]]:
    """Libraries of the second column, and the files and folders of the third that alone import them."""
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| ([^|]+) \|$", _section("Who talks to what is outside"), re.MULTILINE)
    cells = [(re.findall(r"`(\w+)`", left), re.findall(r"`([\w/.]+)`", right)) for left, right in rows]
    names = dict.fromkeys(name for left, _ in cells for name in left)
    return [(name, tuple(path for left, right in cells if name in left for path in right)) for name in names]


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found |= {name.partition(".")[0] for name in names}
    return found


IMPORTS = {path.relative_to(PACKAGE).as_posix(): _imports(path) for path in PACKAGE.rglob("*.py")}


def test_the_table_of_rooms_is_the_import_contract() -> None:
    layers: dict[int, set[str]] = {}
    for number, rooms in re.findall(r"^\| (\d+) \| ([^|]+) \|", _section("The rooms"), re.MULTILINE):
        layers.setdefault(int(number), set()).update(re.findall(r"`(\w+)`", rooms))
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [contract] = [each for each in contracts if each["type"] == "layers" and each["containers"] == ["forebay"]]
    wanted = [set(re.split(r"\s*[|:]\s*", layer)) for layer in contract["layers"]]
    assert [layers[number] for number in sorted(layers)] == wanted
    assert sorted(layers) == list(range(1, len(wanted) + 1))


def test_the_picture_of_the_rooms_shows_rooms_and_their_parts() -> None:
    picture = (DOCS / "rooms.svg").read_text()
    names = re.findall(r'class="name"[^>]*>(\w+)<', picture)
    assert {"local", "cluster", "kube", "ingest", "deploy"} <= set(names)
    assert [name for name in names if not ((PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file())] == []
    for room, parts in re.findall(r'>(\w+)</text><text class="small"[^>]*>([\w, ]+)<', picture):
        folders = {path.parent.name for path in (PACKAGE / room).glob("*/__init__.py")}
        assert set(parts.split(", ")) == folders, room


@pytest.mark.parametrize(("library", "doors"), _doors(), ids=[library for library, _ in _doors()])
def test_a_library_for_what_is_outside_is_imported_where_the_page_says_and_nowhere_else(
    library: str, doors: tuple[str, ...]
) -> None:
    importing = {path for path, names in IMPORTS.items() if library in names}
    assert {path for path in importing if not path.startswith(doors)} == set()
    assert {door for door in doors if not any(path.startswith(door) for path in importing)} == set()


def test_every_module_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`([a-z_]+/[\w/]*(?:\.py)?)`", PAGE)) | set(re.findall(r"`([a-z_]+\.py)`", PAGE))
    places = (PACKAGE, ROOT, PACKAGE / "settings", PACKAGE / "local", PACKAGE / "cluster", PACKAGE / "serving")
    assert {name for name in named if not any((place / name).exists() for place in places)} == set()


def test_every_class_and_constant_that_a_change_touches_is_there() -> None:
    named = set(re.findall(r"`([A-Z]\w+)`", _section("To add something")))
    sources = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    assert named
    assert {name for name in named if not re.search(rf"^(?:class )?{name}\b", sources, re.MULTILINE)} == set()
