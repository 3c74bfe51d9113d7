"""Images: every one has a tag or a digest, and never one that moves."""

import re
from collections.abc import Collection

from support.manifest_checks.findings import Finding, Object, containers, pods

_MOVING = {"latest", "main", "master", "edge", "nightly", "stable"}


def check_images(
    objects: list[Object], ours: str = "", version: str = "", allowed: Collection[str] = ()
) -> list[Finding]:
    """Tags are there and stay; images with `ours` (such as forebay/) in their path carry `version` as tag.

    With `allowed`, an image that is none of these is a finding too.
    """
    found = []
    for pod in pods(objects):
        for path, container in containers(pod):
            if path.endswith(".model") and "image" not in container:
                continue  # its runtime brings the image
            rule = _fault(str(container.get("image", "")), ours, version)
            if rule is None and allowed and container["image"] not in allowed:
                rule = f"{container['image']} is none of {', '.join(sorted(allowed))}"
            if rule:
                found.append(Finding(pod.where, f"{path}.image", rule))
    return found


def _fault(image: str, ours: str, version: str) -> str | None:
    name, _, digest = image.partition("@")
    path, colon, tag = name.rpartition(":")
    if not image or (not colon and not digest) or "/" in tag:
        return f"{image!r} has no tag: name one, it is a different image every week otherwise"
    if digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        return f"{digest!r} is no digest: sha256: and 64 hex digits are expected"
    if tag in _MOVING:
        return f"the tag {tag!r} moves: name a version"
    if ours and re.search(rf"(^|/){re.escape(ours)}", path) and tag != version:
        return f"{image} is one of ours and not tagged {version}"
    return None
