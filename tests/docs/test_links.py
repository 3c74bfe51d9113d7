"""What the pages point to is there, without a network: links, headings, files and folders of the repository."""

import re
import subprocess
from pathlib import Path

import pytest

from support.markdown_pages import ALL, DOCS, PAGES, ROOT, Page, navigation

ELSEWHERE = re.compile(r"https?://")


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(page: Page) -> None:
    for link in page.links:
        if ELSEWHERE.match(link):
            continue
        path, _, anchor = link.partition("#")
        target = page.path.parent / path if path else page.path
        assert target.is_file(), link
        if anchor:
            assert anchor in Page(target).anchors, link


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_in_the_repository(page: Page) -> None:
    missing = {name for name in page.files if not (ROOT / name).exists()}
    assert missing == set()


def test_pages_of_the_site_link_only_to_pages_of_the_site() -> None:
    for page in PAGES[1:]:
        for link in page.links:
            path = link.partition("#")[0]
            assert ELSEWHERE.match(link) or not path or "/" not in path, f"{page.name}: {link}"


def test_every_page_stands_in_the_menu_once_and_in_the_readme() -> None:
    there = sorted(path.name for path in DOCS.glob("*.md"))
    assert sorted(navigation()) == there
    linked = {Path(link).name for link in PAGES[0].links if link.startswith("docs/")}
    assert [name for name in there if name not in linked | {"index.md"}] == []


def test_what_the_site_shows_beside_its_pages_is_used() -> None:
    tracked = subprocess.run(["git", "ls-files", "docs"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    names = {Path(name).name for name in tracked if (ROOT / name).is_file() and not name.endswith(".md")}
    text = "".join(page.text for page in PAGES) + (ROOT / "mkdocs.yml").read_text()
    assert {name for name in names if name not in text} == set()
