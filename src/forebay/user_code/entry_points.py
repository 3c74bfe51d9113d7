"""Entry points: what installed packages bring, by name. https://packaging.python.org/specifications/entry-points/"""

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forebay.errors import ConfigError
from forebay.user_code.reference import CodeReference, parse_reference

if TYPE_CHECKING:
    from importlib import metadata

MODELS_GROUP = "forebay.models"
SOURCES_GROUP = "forebay.sources"


@dataclass(frozen=True, kw_only=True)
class EntryPoint:
    """What a package brings under a name."""

    name: str
    reference: CodeReference  # a module and an attribute
    package: str  # the distribution and its version


def entry_point_names(group: str) -> list[str]:
    """The names in a group, sorted. No package is imported."""
    from importlib.metadata import entry_points  # it takes longer than all other modules of the settings

    return sorted({point.name for point in entry_points(group=group)})


def find_entry_point(group: str, name: str) -> EntryPoint:
    """What one name of a group stands for. No package is imported.

    Raises:
        ConfigError: no package brings it (near names are given), or several do.
    """
    from importlib.metadata import entry_points

    found = {_entry_point(point) for point in entry_points(group=group, name=name)}
    if not found:
        raise ConfigError(f"No installed package brings {name!r} in {group}. {_known(group, name)}")
    if len(found) > 1:
        packages = ", ".join(sorted(point.package for point in found))
        raise ConfigError(
            f"{name!r} in {group} is brought by {len(found)} packages ({packages}). Name the one that you mean as "
            "package.module:NAME, or uninstall the others."
        )
    return found.pop()


def _entry_point(point: "metadata.EntryPoint") -> EntryPoint:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else ""
    try:
        reference = parse_reference(f"{point.module}:{point.attr}")
    except (ConfigError, AttributeError) as error:
        raise ConfigError(
            f"The entry point {point.name!r} of {package or 'a package'} is {point.value!r}, which names no class or "
            "function. It must be package.module:NAME; ask who made the package."
        ) from error
    return EntryPoint(name=point.name, reference=reference, package=package)


def _known(group: str, name: str) -> str:
    names = entry_point_names(group)
    near = difflib.get_close_matches(name, names, n=3)
    if near:
        return f"Near names are {', '.join(near)}."
    if names:
        return f"Installed packages bring {', '.join(names)}."
    return "No installed package brings any."
