"""docker/compose.yaml keeps to the compose schema and to facts; tests/live/container_images starts it."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from forebay.container_images import TARGETS, image_name
from support.paths import ROOT

FILE = ROOT / "docker" / "compose.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]


def check(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_is_a_compose_file() -> None:
    done = check(FILE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("right", "wrong"), [("mem_limit", "memory"), ("condition: service_healthy", "condition: up")])
def test_a_misspelt_word_would_be_found(right: str, wrong: str, tmp_path: Path) -> None:
    broken = tmp_path / "compose.yaml"
    broken.write_text(FILE.read_text().replace(right, wrong, 1))
    assert check(broken).returncode == 1


def test_our_images_are_those_of_this_version() -> None:
    ours = {service["image"] for service in SERVICES.values() if service["image"].startswith("forebay/")}
    assert ours <= {image_name(target) for target in TARGETS}


def test_the_images_of_others_have_a_version() -> None:
    for name, service in SERVICES.items():
        assert re.search(r":[\w.-]*\d[\w.-]*\}?$", service["image"]), name
        assert "latest" not in service["image"], name


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
