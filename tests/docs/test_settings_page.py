"""The tables of docs/settings.md are the settings."""

import dataclasses
import os
import re

from forebay.settings import ServeConfig, all_settings
from forebay.settings.keys import STEP_CONFIGS, SettingInfo
from support.markdown_pages import DOCS, ROOT

PAGE = DOCS / "settings.md"
# Set by our processes for each other, never by a person or the chart.
BETWEEN_PROCESSES = {
    f"FOREBAY_{name}"
    for name in ("CONTAINER", "DOCTOR_CA", "EVENTS", "FRESH", "IMAGE", "IMAGE_WEIGHTS", "SUPERVISOR_PID")
}
MARK = "<!-- The rest is made of src/forebay/settings/ by `make golden`. -->\n"


def _row(setting: SettingInfo) -> str:
    default = f"`{setting.default}`" if setting.default != "" else "empty"
    meaning = setting.meaning.replace("|", "\\|").replace("*", "\\*")
    return f"| `{setting.key}` | {default} | {setting.unit} | {meaning} |"


def _page(words: str) -> str:
    """The whole page: what stands there before the mark, and the tables anew."""
    lines = [words.partition(MARK)[0] + MARK]
    for config in STEP_CONFIGS:
        rows = [_row(setting) for setting in all_settings() if setting.key.startswith(f"{config.prefix}.")]
        head = [f"## {config.prefix}", "", "| key | default | unit | meaning |", "| --- | --- | --- | --- |"]
        lines += [*head, *rows, ""]
    return "\n".join(lines)


def test_the_tables_hold_every_setting_as_it_is() -> None:
    if os.environ.get("FOREBAY_GOLDEN") == "write":
        PAGE.write_text(_page(PAGE.read_text()))
    assert PAGE.read_text() == _page(PAGE.read_text()), "make golden writes it anew"


def test_every_environment_variable_that_people_set_stands_on_the_page_and_no_other() -> None:
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "components").glob("*.py")]
    read = {name for path in sources for name in re.findall(r"\bFOREBAY_[A-Z_]*[A-Z]\b", path.read_text())}
    server = {f"FOREBAY_SERVE_{field.name.upper()}" for field in dataclasses.fields(ServeConfig)}
    shown = set(re.findall(r"FOREBAY_[A-Z_]+", PAGE.read_text()))
    assert shown == (read | server) - BETWEEN_PROCESSES
