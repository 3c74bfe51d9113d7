"""The labels by which objects of ours are known, whatever they are."""

from collections.abc import Mapping
from typing import Any

from forebay.version import VERSION

DOMAIN = "forebay.dev"  # labels and annotations of our own begin with it
MANAGER_LABEL, MANAGER = "app.kubernetes.io/managed-by", "forebay"
MANAGED_BY_US = f"{MANAGER_LABEL}={MANAGER}"  # as a label selector


def component_labels(component: str) -> dict[str, str]:
    """The standard labels of an object that a step makes.

    Args:
        component: such as serve or train.
    """
    return {
        "app.kubernetes.io/name": "forebay",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/version": VERSION,
    }


def is_ours(found: Mapping[str, Any]) -> bool:
    """Whether Forebay made an object: it never touches one that somebody else made under the same name."""
    return bool((found["metadata"].get("labels") or {}).get(MANAGER_LABEL) == MANAGER)


def not_ours(title: str) -> str:
    """Says that an object is another's.

    Args:
        title: kind, namespace and name of the object.
    """
    return f"The {title} is one that Forebay did not make (it has no label {MANAGED_BY_US})."
