"""Each planted fault is found, and the words say what mends it."""

import os
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forebay.errors import ConfigError, MachineError
from forebay.local.checks import java, libraries, machine
from forebay.local.checks.machine_checks import require_free_port, server_port, state_folder
from forebay.local.checks.preflight import check_before_run
from forebay.local.server.launch import ServerOptions
from forebay.state import Home, write_json
from forebay.tracking import client, experiment_id
from support.machine_speed import slowness

LOOPBACK = "127.0.0.1"
ATTEMPTS = 5  # of which the best counts: a busy machine slows some, not all


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


def test_a_supported_python_passes_and_an_older_one_names_the_range() -> None:
    assert libraries.python_version().ok
    old = libraries.python_version((3, 10, 14))
    assert not old.ok
    assert "Python 3.10.14" in old.detail
    assert ">=3.11" in old.detail
    assert "python3.12" in old.fix


def test_a_missing_and_a_wrong_package_are_both_named() -> None:
    assert libraries.packages().ok
    check = libraries.packages(["click==0.1", "no-such-package==1", "rich>=1", "other; extra == 'dev'"])
    assert not check.ok
    assert "click is " in check.detail
    assert "no-such-package is not installed" in check.detail
    assert "rich" not in check.detail
    assert "other" not in check.detail
    assert "constraints.txt" in check.fix


def test_an_environment_without_python3_beside_its_interpreter_is_broken(tmp_path: Path) -> None:
    assert machine.step_interpreter().ok
    check = machine.step_interpreter(tmp_path / "python")
    assert not check.ok
    assert str(tmp_path / "python3") in check.detail
    assert "python3-venv" in check.fix


def test_the_java_of_spark_really_starts() -> None:
    check = java.java_starts(java.spark_java())
    assert check.ok, check.detail
    assert "Java" in check.detail


def test_java_home_decides_and_one_without_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    program = java.spark_java()
    assert program == tmp_path / "bin" / "java"
    for check in (java.java_present(program), java.java_starts(program)):
        assert not check.ok
        assert str(program) in check.detail
        assert "Unset JAVA_HOME" in check.fix


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'openjdk version \"11.0.2\"' >&2", "is Java 11, Spark needs 17"),
        ("echo 'java version \"1.8.0_392\"' >&2", "is Java 8, Spark needs 17"),
        ("echo broken library >&2; exit 127", "ended with 127: broken library"),
    ],
)
def test_an_old_or_broken_java_is_told_from_a_good_one(tmp_path: Path, script: str, words: str) -> None:
    program = tmp_path / "java"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    check = java.java_starts(program)
    assert not check.ok
    assert words in check.detail


def test_too_little_disk_names_the_folder_and_the_setting(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "made" / "yet"
    assert machine.free_disk(folder, 1).ok
    check = machine.free_disk(folder, 2**60)
    assert not check.ok
    assert str(folder) in check.detail
    assert "forebay prune" in check.fix
    assert "FOREBAY_HOME" in check.fix
    assert not folder.exists()


def test_too_little_memory_is_said_in_gib() -> None:
    assert machine.free_memory(1).ok
    assert "a run needs 1024.0 GiB" in machine.free_memory(2**40).detail


def test_a_clock_before_the_installation_is_wrong() -> None:
    assert machine.clock().ok
    check = machine.clock(datetime(2001, 1, 1, tzinfo=UTC))
    assert not check.ok
    assert "2001-01-01" in check.detail


def test_a_state_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    check = state_folder(Home(tmp_path / "file" / "home"))
    assert not check.ok
    assert str(tmp_path / "file") in check.detail
    assert "FOREBAY_HOME" in check.detail


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_folder_without_write_permission_names_the_setting(home: Home) -> None:
    home.root.chmod(0o500)
    check = state_folder(home)
    home.root.chmod(0o700)
    assert not check.ok
    assert "FOREBAY_HOME" in check.fix


def test_a_state_folder_of_another_format_is_refused(home: Home) -> None:
    assert state_folder(home).ok
    write_json(home.root / "format.json", {"format": 99})
    check = state_folder(home)
    assert not check.ok
    assert "format 99" in check.detail


def test_a_busy_port_names_the_setting_and_this_process(busy_port: int) -> None:
    with pytest.raises(
        MachineError, match=rf"Port {busy_port} .*\(process {os.getpid()}\).*another port with --port\."
    ) as raised:
        require_free_port(LOOPBACK, busy_port, "--port")
    assert raised.value.exit_code == 2


def test_a_free_port_stays_free(busy_port: int) -> None:
    require_free_port(LOOPBACK, 0, "--port")
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
    require_free_port(LOOPBACK, port, "--port")
    require_free_port(LOOPBACK, port, "--port")


def test_the_port_check_tells_busy_from_free(home: Home, busy_port: int) -> None:
    assert server_port(home, LOOPBACK, 0).ok
    check = server_port(home, LOOPBACK, busy_port)
    assert not check.ok
    assert "FOREBAY_PORT" in check.detail


def test_a_run_is_refused_before_it_starts_when_its_port_is_taken(home: Home, busy_port: int) -> None:
    check_before_run(home, ServerOptions(LOOPBACK, 0))
    with pytest.raises(MachineError, match="FOREBAY_PORT"):
        check_before_run(home, ServerOptions(LOOPBACK, busy_port))


def test_a_run_is_refused_before_it_starts_without_java(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MachineError, match="Unset JAVA_HOME") as raised:
        check_before_run(home, ServerOptions(LOOPBACK, 0))
    assert raised.value.exit_code == 2


def test_an_address_that_is_not_of_this_machine_is_wrong_use(home: Home) -> None:
    with pytest.raises(ConfigError, match="--host"):
        check_before_run(home, ServerOptions("192.0.2.1", 8090))


def test_the_checks_before_a_run_take_less_than_a_tenth_of_a_second(home: Home) -> None:
    def seconds() -> float:
        start = time.perf_counter()
        check_before_run(home, ServerOptions(LOOPBACK, 0))
        return time.perf_counter() - start

    assert min(seconds() / slowness() for _ in range(ATTEMPTS)) < 0.1


def test_the_mlflow_check_counts_versions_and_names_a_broken_database(home: Home) -> None:
    assert libraries.mlflow_store(home).detail == "no run has been recorded yet"
    assert not home.mlflow_database.exists()
    experiment_id(client(home), home)
    assert libraries.mlflow_store(home).detail.startswith("0 model versions in sqlite:///")
    home.mlflow_database.write_bytes(b"not a database" * 1000)
    check = libraries.mlflow_store(home)
    assert not check.ok
    assert str(home.mlflow_database) in check.detail
    assert "Put a copy of yours in its place" in check.detail


def test_torch_and_torchvision_import_together() -> None:
    check = libraries.torch_build()
    assert check.ok, check.detail
    assert "torch 2." in check.detail


def test_the_interpreter_of_the_steps_is_this_one() -> None:
    assert str(Path(sys.executable).parent) in machine.step_interpreter().detail
