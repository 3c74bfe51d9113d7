"""`forebay up` with programs on its PATH that record what they are called with."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from forebay import container_images
from support.forebay_command import Forebay, ForebayHere
from support.small_manifests import write_manifests

READS = (
    ("kubectl", "config"), ("kubectl", "get"), ("kubectl", "auth"), ("kubectl", "api-resources"), ("helm", "history"),
    ("kind", "get"), ("docker", "image"), ("docker", "exec"),
)  # fmt: skip
IMAGES = [container_images.image_name(target) for target in container_images.TARGETS]
EMPTY: dict[str, Any] = {
    "calls": [], "failures": [], "context": "work", "contexts": ["work"], "answers": True, "minor": "33",
    "admin": True, "allocatable": {"cpu": "4", "memory": "8Gi"}, "requests": [], "classes": {"standard": True},
    "namespaces": {"default": {}, "kube-system": {}}, "definitions": {}, "secrets": {}, "release": None,
    "labelled": [], "instances": [], "others": {}, "clusters": [], "node_images": {},
    "engine": {name: f"sha256:{name}" for name in IMAGES},
}  # fmt: skip


@dataclass
class Machine:
    """A person's machine: the command, its state folder, and a cluster that is played."""

    forebay: Forebay
    manifests: Path
    state_file: Path

    @property
    def state(self) -> dict[str, Any]:
        """The cluster as it is now."""
        found: dict[str, Any] = json.loads(self.state_file.read_text())
        return found

    def change(self, **values: Any) -> None:
        """Make the cluster another."""
        self.state_file.write_text(json.dumps(self.state | values))

    def fails(self, text: str, says: str = "Error: planted", times: int = 1, **more: Any) -> None:
        """Let commands that hold a text fail."""
        self.change(failures=[*self.state["failures"], {"text": text, "says": says, "times": times, **more}])

    def up(self, *words: object, cluster: str = "current", expect: int = 0) -> subprocess.CompletedProcess[str]:
        """`forebay up`; on `current`, with a yes."""
        yes = ("--yes",) if cluster == "current" else ()
        return self.forebay("up", "--cluster", cluster, "--manifests", self.manifests, *yes, *words, expect=expect)

    def down(self, *words: object, cluster: str = "current", expect: int = 0) -> subprocess.CompletedProcess[str]:
        """`forebay down`, asked nothing of."""
        return self.forebay("down", "--cluster", cluster, *words, expect=expect)

    def calls(self) -> list[str]:
        """Commands that change something, since the last time this was asked."""
        calls = self.state["calls"]
        self.change(calls=[])
        return [shlex.join(call) for call in calls if not _reads(call)]


def _reads(call: list[str]) -> bool:
    program, *words = call
    skipped = {"kubectl": 2, "helm": 4}.get(program, 0) if words[0].startswith("--") else 0
    return (program, words[skipped]) in READS


@pytest.fixture(scope="session")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake keeps of rendered charts."""
    return tmp_path_factory.mktemp("charts")


@pytest.fixture
def machine(tmp_path: Path, charts: Path) -> Machine:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on the PATH, and manifests are rendered by the real one")
    programs = tmp_path / "bin"
    programs.mkdir()
    script = f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nimport fake_install_tools\n"
    for name in ("kubectl", "helm", "kind", "docker"):
        # -S: many starts, and few need a package. A module is compiled once, a script at every start.
        (programs / name).write_text(f"#!{sys.executable} -S\n{script}sys.exit(fake_install_tools.main())\n")
        (programs / name).chmod(0o755)
    state = tmp_path / "state.json"
    state.write_text(json.dumps(EMPTY))
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "DOUBLE_STATE": str(state),
        "DOUBLE_KUBECTL": kubectl,
        "DOUBLE_HELM": shutil.which("helm") or "",
        "DOUBLE_RENDERED": str(charts),
        "DOUBLE_PACKAGES": str(Path(yaml.__file__).parents[1]),
    }
    folder = tmp_path / "work"
    folder.mkdir()
    return Machine(ForebayHere(folder, environment), write_manifests(tmp_path / "manifests"), state)
