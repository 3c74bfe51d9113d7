"""`forebay doctor` as a person and as a program call it."""

import json
import socket
import subprocess
import sys

import pytest

from forebay.state import Home


def doctor(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "forebay", "doctor", *arguments], capture_output=True, text=True)


@pytest.mark.usefixtures("no_aws")
def test_this_machine_is_well(home: Home) -> None:
    answer = doctor("--port", "0")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    lines = answer.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"ok"}
    assert {"python", "java", "disk", "port", "s3", "torch", "state"} <= {line.split()[1] for line in lines}


@pytest.mark.usefixtures("no_aws")
def test_a_planted_fault_is_one_failed_check_in_one_json_object(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = doctor("--json", "--port", str(listener.getsockname()[1]))
    assert answer.returncode == 1
    found = json.loads(answer.stdout)
    assert found["ok"] is False
    failed = [check for check in found["checks"] if not check["ok"]]
    assert [check["name"] for check in failed] == ["port"]
    assert "FOREBAY_PORT" in failed[0]["detail"]
