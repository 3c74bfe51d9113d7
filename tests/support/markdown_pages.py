"""The Markdown pages that people read, as data: code blocks, commands, links, headings."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from support.paths import ROOT

DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FOLDERS = r"src|tests|docs|docker|notebooks|helm|manifests|components|pipelines|benchmarks|\.ci|\.github"
_FILE = re.compile(rf"(?<![\w./-])((?:{_FOLDERS})/[\w./-]*)")


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text()

    @cached_property
    def prose(self) -> str:
        """The text without its fenced code blocks."""
        return _FENCE.sub("", self.text)

    @property
    def name(self) -> str:
        """The path below the repository's root."""
        return self.path.relative_to(ROOT).as_posix()

    def blocks(self, language: str) -> list[str]:
        """The fenced code blocks of a language, in their order."""
        return [body for word, body in _FENCE.findall(self.text) if word == language]

    def commands(self, language: str) -> list[str]:
        """The lines of such blocks, without comments; a line that ends in a backslash goes on."""
        joined = "\n".join(self.blocks(language)).replace("\\\n", " ")
        lines = [re.split(r"(?:^|\s)#\s", line)[0].strip() for line in joined.splitlines()]
        return [line for line in lines if line]

    @property
    def inline(self) -> list[str]:
        """The code spans of the prose."""
        return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", self.prose)]

    @property
    def links(self) -> list[str]:
        """What links and pictures point to."""
        return re.findall(r"\]\(([^)\s]+)\)", self.prose)

    @property
    def anchors(self) -> set[str]:
        """The anchors of the headings, as GitHub and MkDocs both write them."""
        titles = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip()) for title in titles}

    @property
    def files(self) -> set[str]:
        """Files and folders of the repository that the page names."""
        return {found.rstrip("./-") for found in _FILE.findall(self.text)}


def navigation() -> list[str]:
    """The pages of the site by file name, in the order of its menu."""

    def files(entries: Any) -> list[str]:
        if isinstance(entries, str):
            return [entries]
        return [file for each in (entries.values() if isinstance(entries, dict) else entries) for file in files(each)]

    return files(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])


README = Page(ROOT / "README.md")
PAGES = [README, *(Page(DOCS / name) for name in navigation())]  # what people read, in their order
_BESIDE = ("CONTRIBUTING.md", "CHANGELOG.md", "helm/forebay/README.md", "manifests/README.md")
ALL = [*PAGES, *(Page(ROOT / name) for name in _BESIDE)]
