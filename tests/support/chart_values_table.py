"""The table of values in the chart's README, made from values.yaml: defaults, and the comments above them."""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from support.helm_chart import CHART

README = CHART / "README.md"
BEGIN, END = "<!-- values: made by `make golden` from values.yaml -->\n", "<!-- end of values -->\n"


@dataclass(frozen=True)
class Value:
    """One value as values.yaml holds it."""

    key: str
    default: str
    meaning: str


def values(text: str) -> Iterator[Value]:
    """Every value that may be set, in order; a mapping in braces and a list are one value."""
    lines = text.splitlines()
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)
    yield from _of_mapping(root, "", "", lines)


def readme(text: str) -> str:
    """The README with its table anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"{README} holds no {BEGIN.strip()} and {END.strip()}"
    table = table_of((CHART / "values.yaml").read_text())
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def table_of(text: str) -> str:
    """As Markdown."""
    rows = [f"| `{value.key}` | `{value.default}` | {value.meaning} |\n" for value in values(text)]
    return "| value | default | meaning |\n| --- | --- | --- |\n" + "".join(rows)


def _of_mapping(node: yaml.MappingNode, prefix: str, above: str, lines: list[str]) -> Iterator[Value]:
    for key, inner in node.value:
        line = key.start_mark.line
        name = f"{prefix}{key.value}"
        meaning = _comment(lines, line) or above
        if isinstance(inner, yaml.MappingNode) and not inner.flow_style:
            # What a group within a part says holds for its members that say nothing themselves.
            yield from _of_mapping(inner, f"{name}.", meaning if prefix else "", lines)
        else:
            default = " ".join(_source(inner, lines).split()).replace("|", "\\|")
            yield Value(name, default, meaning.replace("|", "\\|"))


def _source(node: yaml.Node, lines: list[str]) -> str:
    start, end = node.start_mark, node.end_mark
    if start.line == end.line:
        return lines[start.line][start.column : end.column]
    between = lines[start.line + 1 : end.line]
    return "\n".join([lines[start.line][start.column :], *between, lines[end.line][: end.column]])


def _comment(lines: list[str], line: int) -> str:
    """The comment right above a line."""
    found: list[str] = []
    while line > 0 and lines[line - 1].strip().startswith("# ") and "# ---" not in lines[line - 1]:
        line -= 1
        found.insert(0, lines[line].strip().removeprefix("# "))
    return " ".join(found)
