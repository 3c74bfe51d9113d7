"""Checks of the nodes: some are ready, and what they have of GPUs."""

import re
from collections.abc import Iterator
from decimal import Decimal

from forebay.bringup.facts import allocatable, is_ready
from forebay.cluster.api import ApiError
from forebay.doctor.check import Check, failed, passed
from forebay.doctor.cluster.place import NODES, Place, unseen

GPU = re.compile(r"nvidia\.com/(gpu(\.shared)?|mig-.+)|amd\.com/gpu|gpu\.intel\.com/.+")  # as device plugins name them


def nodes(place: Place) -> Iterator[Check]:
    """Ready nodes, then GPUs."""
    try:
        found = place.api.all(NODES, "")
    except ApiError as error:
        yield unseen("nodes", error)
        return
    yield _ready(place, len(found), [each["metadata"]["name"] for each in found if not is_ready(each)])
    yield _gpus(allocatable(found))


def _ready(place: Place, count: int, away: list[str]) -> Check:
    if len(away) < count:
        note = f"; not ready or closed for pods: {', '.join(away)}" if away else ""
        return passed("nodes", f"{count - len(away)} of {count} take pods{note}")
    return failed(
        "nodes",
        f"none of {count} takes pods: {', '.join(away) or 'there is none'}",
        f"{place.kubectl('describe nodes')} says why; a cordoned one is opened by `kubectl uncordon NAME`.",
    )


def _gpus(there: dict[str, Decimal]) -> Check:
    found = {name: count for name, count in there.items() if GPU.fullmatch(name) and count}
    if not found:
        return passed("gpus", "no node offers one; train.gpus=0 and deploy.gpus=0 only")
    return passed("gpus", ", ".join(f"{count:f} {name}" for name, count in sorted(found.items())))
