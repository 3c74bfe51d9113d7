"""`make docs` builds the site without a warning, and neither building nor reading it asks the network."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from support.markdown_pages import ROOT, navigation

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}  # loaded unasked, by tag
PAGES = [name.replace(".md", ".html") for name in navigation()]
NOWHERE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")


class Html(HTMLParser):
    """What a page loads, what it links to, and what may be linked to on it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        self.loads += [found[name] for name in (FETCHED.get(tag),) if name in found]
        self.links += [found["href"]] if tag == "a" and "href" in found else []


@dataclass(frozen=True)
class Site:
    """A site that was built."""

    folder: Path
    files: set[str]
    pages: dict[str, Html]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site as `make docs` builds it, where no address can be reached."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(build, cwd=ROOT, env=os.environ | NOWHERE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    return Site(folder, files, {name: Html((folder / name).read_text()) for name in files if name.endswith(".html")})


def test_every_page_is_built(site: Site) -> None:
    assert set(PAGES) <= site.pages.keys()


def test_a_browser_loads_nothing_from_elsewhere(site: Site) -> None:
    loaded = {url.partition("?")[0] for name in PAGES for url in site.pages[name].loads}
    assert {url for url in loaded if str(Path(url)) not in site.files} == set()


def test_every_link_of_the_site_leads_somewhere_on_it(site: Site) -> None:
    for name in PAGES:
        for link in site.pages[name].links:
            if re.match(r"https?://", link):
                continue
            path, _, anchor = link.partition("#")
            page = site.pages[name if path in ("", ".") else path]
            assert not anchor or anchor in page.anchors, f"{name}: {link}"


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine to search the site with")
def test_the_search_works_in_pages_that_are_opened_from_files(site: Site, tmp_path: Path) -> None:
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom",
         f"--user-data-dir={tmp_path / 'profile'}", f"{(site.folder / 'index.html').as_uri()}?q=champion"],
        check=True, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert len(re.findall('class="md-search-result__item"', done.stdout)) >= 3


def test_make_docs_builds_strictly_and_into_a_folder_that_git_ignores() -> None:
    assert yaml.safe_load((ROOT / "mkdocs.yml").read_text())["site_dir"] == "build/site"
    assert "/build/" in (ROOT / ".gitignore").read_text().splitlines()
    dry = subprocess.run(["make", "--dry-run", "docs"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "mkdocs build --strict" in dry.stdout
