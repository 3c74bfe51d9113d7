"""values.yaml explains itself, and the README's table is made from it."""

import os

import yaml

from support import chart_values_table as values_table
from support.helm_chart import CHART

TEXT = (CHART / "values.yaml").read_text()


def test_every_value_is_explained_where_it_stands() -> None:
    found = list(values_table.values(TEXT))
    assert len(found) > 60
    assert [value.key for value in found if not value.meaning] == []


def test_the_table_has_every_value_once_with_its_default() -> None:
    found = {value.key: value.default for value in values_table.values(TEXT)}
    assert len(found) == len(list(values_table.values(TEXT)))
    defaults = yaml.safe_load(TEXT)
    for key, default in found.items():
        place = defaults
        for word in key.split("."):
            place = place[word]
        assert yaml.safe_load(default) == place, key


def test_the_table_in_the_readme_is_golden() -> None:
    text = values_table.README.read_text()
    if os.environ.get("FOREBAY_GOLDEN") == "write":
        values_table.README.write_text(values_table.readme(text))
    assert values_table.README.read_text() == values_table.readme(text), "make golden"


def test_comments_above_a_value_are_its_meaning() -> None:
    text = "a:\n  # First\n  # and second.\n  b: {x: 1}\n# --- part ---\n\n# Of c | d.\nc: [1]\n"
    assert [(v.key, v.default, v.meaning) for v in values_table.values(text)] == [
        ("a.b", "{x: 1}", "First and second."),
        ("c", "[1]", "Of c \\| d."),
    ]
