"""The Kustomize trees as the real kubectl renders them; what they fetch comes from a folder of checkouts instead."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import yaml

from support.helm_chart import Object
from support.paths import ROOT

MANIFESTS = ROOT / "manifests"
OVERLAYS = ("kind", "cloud-gpu", "airgap")
OPTIONAL = ("spark-operator", "trainer")
CHECKOUTS = "FOREBAY_UPSTREAM"
"""Names a folder with checkouts of the pinned repositories as OWNER/NAME, and files of releases under
OWNER/NAME/releases/download/VERSION/."""

ADDRESS = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/+([^\s?'\"]+)(?:\?[^\s'\"]*)?")


def copy_with_checkouts(target: Path, checkouts: Path) -> Path:
    """A copy of the manifests whose remote resources, theirs included, are files of the checkouts."""
    manifests = shutil.copytree(MANIFESTS, target / "manifests")
    upstream = shutil.copytree(checkouts, target / "upstream")
    for path in target.rglob("kustomization.yaml"):

        def local(found: re.Match[str], folder: Path = path.parent) -> str:
            owner, name, rest = found.groups()
            return os.path.relpath(upstream / owner / name / rest, folder)

        text = path.read_text()
        if "https://github.com/" in text:
            path.write_text(re.sub(r"(?<=[-\s\[\"'])" + ADDRESS.pattern, local, text))
    return manifests


def kustomize(folder: Path) -> list[Object]:
    """What `kubectl kustomize` makes of a folder."""
    command = ["kubectl", "kustomize", "--load-restrictor=LoadRestrictionsNone", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.load_all(done.stdout, yaml.CSafeLoader) if each]
