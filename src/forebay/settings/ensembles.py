"""Settings of ensembles: how many members, and registered versions as one line of text: `digits/3,digits/5`.

A version may carry the first digits of its bundle's digest, `digits/3#0a1b2c3d4e5f`. So the cache key of a step that
takes it changes when a registry gives the number to another model, and the step refuses that model.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forebay.settings.rules import SettingRule

MOST_MEMBERS = 32  # each is held in memory wherever the model answers
DIGEST_DIGITS = 12
_VERSION = re.compile(r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)/([1-9]\d{0,8})(?:#([0-9a-f]{12}))?")


@dataclass(frozen=True)
class VersionReference:
    """One registered version."""

    name: str
    version: str
    digest: str = ""  # the first digits of its bundle's digest, or of its weights' where the registry has only that

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


def parse_versions(text: str) -> list[VersionReference]:
    """The versions in a setting; empty for an empty one.

    Raises:
        ValueError: a part is no version.
    """
    found = []
    for part in text.split(",") if text else ():
        match = _VERSION.fullmatch(part)
        if match is None:
            raise ValueError(f"{part!r} is no NAME/VERSION")
        found.append(VersionReference(match[1], match[2], match[3] or ""))
    return found


def format_versions(versions: Sequence[VersionReference]) -> str:
    """The text of a setting that `parse_versions` reads."""
    return ",".join(f"{each}#{each.digest}" if each.digest else str(each) for each in versions)


def versions_rule() -> "SettingRule":
    """Accept nothing, or versions of which none stands twice."""

    def rule(value: str) -> str | None:
        try:
            names = [str(each) for each in parse_versions(value)]
        except ValueError:
            return "must look like digits/3,digits/5"
        twice = next((name for name in names if names.count(name) > 1), None)
        return f"must name each version once, {twice} stands twice" if twice else None

    return rule
