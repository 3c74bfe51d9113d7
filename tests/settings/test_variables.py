"""The name of an environment variable is written once: a typing error in a second place would go unnoticed."""

import ast
import re
from collections import defaultdict

from support.paths import ROOT

SOURCES = ROOT / "src" / "forebay"
NAME = re.compile(r"(FOREBAY|AWS|MLFLOW)_[A-Z0-9_]+")
OWNERS = {"settings/environment.py", "settings/cluster_environment.py"}


def written() -> dict[str, set[str]]:
    """Files of the sources by the name that they hold as a text of its own."""
    found = defaultdict(set)
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value):
                found[node.value].add(path.relative_to(SOURCES).as_posix())
    return found


def test_every_name_is_written_in_one_module() -> None:
    assert {name: sorted(files) for name, files in written().items() if len(files) > 1} == {}


def test_names_of_forebays_own_variables_stand_in_the_settings() -> None:
    elsewhere = {name: files for name, files in written().items() if name.startswith("FOREBAY_") and files - OWNERS}
    assert elsewhere == {}


def test_names_of_s3s_variables_stand_in_the_object_store() -> None:
    assert {file for name, files in written().items() if name.startswith("AWS_") for file in files} == {
        "object_store/variables.py"
    }
