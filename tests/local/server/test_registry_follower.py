"""`forebay.local.server.registry_follower`: the server of a state folder stays on the registry's champions."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay import registry, tracking
from forebay.contracts.bundles.spec import WEIGHTS
from forebay.local.server import control
from forebay.local.server.launch import ServerOptions
from support.deploy_run import NAME, DeployRun

PATIENCE_S = 300.0


@pytest.fixture(scope="module")
def follower(deploy_run: DeployRun) -> Iterator["subprocess.Popen[str]"]:
    (deploy_run.home.downloads / "of-a-champion-of-the-past").mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "forebay.local.server.registry_follower", "--every", "0.1"],
        env={**os.environ, "FOREBAY_HOME": str(deploy_run.home.root)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield process
    process.kill()
    process.wait()


def said(follower: "subprocess.Popen[str]", text: str) -> str:
    """The first line from now on that holds the text; a process that never says it is ended, and so its output."""
    assert follower.stdout is not None
    patience = threading.Timer(PATIENCE_S, follower.kill)
    patience.start()
    try:
        for line in follower.stdout:
            if text in line:
                return line
    finally:
        patience.cancel()
    raise AssertionError(f"it ended without saying {text!r}")


def test_without_a_server_it_tries_again(deploy_run: DeployRun, follower: "subprocess.Popen[str]") -> None:
    said(follower, "No server runs")


def test_without_a_champion_it_waits(deploy_run: DeployRun, follower: "subprocess.Popen[str]") -> None:
    control.ensure_server(deploy_run.home, ServerOptions("127.0.0.1", 0))
    said(follower, "serving nothing")
    registry.set_champion(deploy_run.home, NAME, deploy_run.release(1).version)
    said(follower, f"serving {NAME} version 1")
    assert deploy_run.loaded == {NAME: "1"}


def test_a_champion_that_is_no_model_of_ours_is_named_and_hinders_no_other(
    deploy_run: DeployRun, follower: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    client = tracking.client(deploy_run.home)
    client.create_registered_model("somebody-elses")
    client.create_model_version("somebody-elses", str(tmp_path))
    client.set_registered_model_alias("somebody-elses", tracking.CHAMPION, "1")
    assert "no model bundle" in said(follower, f"serving {NAME} version 1. somebody-elses")
    registry.set_champion(deploy_run.home, NAME, deploy_run.release(2).version)
    said(follower, f"serving {NAME} version 2. somebody-elses")
    client.delete_registered_model("somebody-elses")
    registry.set_champion(deploy_run.home, NAME, "1")
    said(follower, f"serving {NAME} version 1.")


def test_a_new_champion_takes_over_and_what_was_fetched_for_others_goes(
    deploy_run: DeployRun, follower: "subprocess.Popen[str]"
) -> None:
    registry.set_champion(deploy_run.home, NAME, "2")
    said(follower, f"serving {NAME} version 2")
    assert deploy_run.loaded == {NAME: "2"}
    assert list(deploy_run.home.downloads.iterdir()) == []


def test_one_that_does_not_load_is_named_and_the_former_keeps_answering(
    deploy_run: DeployRun, follower: "subprocess.Popen[str]"
) -> None:
    damaged = deploy_run.release(3)
    (damaged.bundle / WEIGHTS).write_bytes(b"cut short")
    registry.set_champion(deploy_run.home, NAME, damaged.version)
    assert NAME in said(follower, "weights.safetensors was changed")
    assert deploy_run.loaded == {NAME: "2"}


def test_it_ends_well_when_asked(follower: "subprocess.Popen[str]") -> None:
    follower.send_signal(signal.SIGTERM)
    assert follower.wait(60) == 0


@pytest.mark.parametrize("every", ["-1", "0", "nan", "inf"])
def test_a_time_that_would_never_or_always_look_is_refused(every: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "forebay.local.server.registry_follower", f"--every={every}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"must be a finite number above 0, got {every}" in done.stderr
