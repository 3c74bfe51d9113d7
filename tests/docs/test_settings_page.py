"""The tables of docs/settings.md are the settings."""

import os

from forebay.settings import all_settings
from forebay.settings.keys import STEP_CONFIGS, Setting
from support.markdown_pages import DOCS

PAGE = DOCS / "settings.md"
MARK = "<!-- The rest is made of src/forebay/settings/ by `make golden`. -->\n"


def _row(setting: Setting) -> str:
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
