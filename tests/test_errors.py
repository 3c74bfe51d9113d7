"""Every error of the project is a ForebayError, and the drawing in `forebay.errors` shows where it stands."""

import ast
import re
from collections.abc import Iterator

import forebay.errors
from support.paths import ROOT

SOURCES = ROOT / "src" / "forebay"
BUILT_IN = {"Exception", "BaseException", "KeyboardInterrupt"}
LINE = re.compile(r"^( {4,})(\w+)(?: +([a-z_.0-9]+))?$", re.MULTILINE)
Place = tuple[str, str, str]  # class, base, module below `forebay`


def defined() -> set[Place]:
    """Every class of the sources that derives from an exception, once for each base."""
    bases = {
        (node.name, module): [ast.unparse(base).rpartition(".")[2] for base in node.bases]
        for module, tree in parsed()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    errors, known = set(BUILT_IN), 0
    while len(errors) != known:
        known = len(errors)
        errors |= {name for (name, _), above in bases.items() if errors & set(above)}
    return {(name, base, module) for (name, module), above in bases.items() for base in above if base in errors}


def parsed() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCES.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__")
        yield module, ast.parse(path.read_text())


def drawn() -> set[Place]:
    """The same from the docstring; the indentation tells the base."""
    places, path = set(), ["Exception"]
    for indent, name, module in LINE.findall(forebay.errors.__doc__ or ""):
        depth = len(indent) // 4 - 1
        path[depth + 1 :] = [name]
        if name not in BUILT_IN:
            places.add((name, path[depth] if depth else "Exception", module or "errors"))
    return places


def test_the_drawing_shows_every_error_with_its_bases_and_its_module() -> None:
    assert drawn() == defined()


def test_every_error_is_a_forebay_error_and_is_called_an_error() -> None:
    bases: dict[str, set[str]] = {}
    for name, base, _ in defined():
        bases.setdefault(name, set()).add(base)
    ours, known = {"ForebayError"}, 0
    while len(ours) != known:
        known = len(ours)
        ours |= {name for name, above in bases.items() if ours & above}
    interrupts = bases.keys() - ours
    assert not [name for name in ours if not name.endswith(("Error", "Timeout"))]
    assert all("Interrupt" in name for name in interrupts)
