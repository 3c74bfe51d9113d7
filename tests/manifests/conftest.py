"""The Kustomize trees, rendered once: on stand-ins everywhere, on the pinned manifests where there are checkouts."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from support.helm_chart import Object
from support.kustomize_manifests import CHECKOUTS, MANIFESTS, OPTIONAL, OVERLAYS, copy_with_checkouts, kustomize

STANDINS = Path(__file__).parent / "standins"

Rendered = dict[str, list[Object]]


@pytest.fixture(scope="session", autouse=True)
def _kubectl() -> None:
    """Kustomize is the one that kubectl brings."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on the PATH")


def render_all(target: Path, checkouts: Path) -> Rendered:
    """Every overlay and optional piece, by its name."""
    manifests = copy_with_checkouts(target, checkouts)
    folders = [manifests / "overlays" / name for name in OVERLAYS] + [
        manifests / "optional" / name for name in OPTIONAL
    ]
    return {folder.name: kustomize(folder) for folder in folders}


@pytest.fixture(scope="session")
def on_standins(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """On a few objects of our own with the names that our patches aim at: what Kustomize makes of our part."""
    target = tmp_path_factory.mktemp("standins")
    checkouts = target / "checkouts"
    versions = yaml.safe_load((MANIFESTS / "versions.yaml").read_text())["upstream"]
    for piece, pinned in versions.items():
        (address,) = pinned["resources"]
        path = checkouts / address.format(version=pinned["version"]).partition("?")[0].removeprefix(
            "https://github.com/"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (STANDINS / f"{piece}.yaml").read_text()
        if path.suffix == ".yaml":
            path.write_text(text)
        else:
            path.mkdir()
            (path / "objects.yaml").write_text(text)
            (path / "kustomization.yaml").write_text("resources: [objects.yaml]\n")
    return render_all(target, checkouts)


@pytest.fixture(scope="session")
def on_upstream(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """On the pinned manifests themselves."""
    checkouts = os.environ.get(CHECKOUTS)
    if not checkouts:
        pytest.skip(f"{CHECKOUTS} names no folder with checkouts of the upstream repositories")
    return render_all(tmp_path_factory.mktemp("upstream"), Path(checkouts))
