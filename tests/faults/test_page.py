"""The table in `docs/faults.md` is that of the cases."""

import ast
import os

from support.fault_cases.elsewhere import ELSEWHERE
from support.fault_cases.page import page
from support.fault_cases.table import CASES
from support.paths import ROOT


def test_the_page_holds_every_case() -> None:
    path = ROOT / "docs" / "faults.md"
    if os.environ.get("FOREBAY_GOLDEN") == "write":
        path.write_text(page(path.read_text(), CASES))
    assert path.read_text() == page(path.read_text(), CASES), "make golden writes it anew"


def test_there_are_forty_and_each_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert len([case for case in CASES if not case.slow]) >= 40


def test_tests_of_other_folders_that_the_page_names_exist() -> None:
    for each in ELSEWHERE:
        file, _, name = each.test.partition("::")
        path = ROOT / "tests" / file
        assert path.exists(), each.test
        functions = {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
        assert not name or name in functions, each.test
