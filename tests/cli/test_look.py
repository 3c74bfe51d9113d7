"""What the looking commands answer."""

import json

import pytest
from click.testing import CliRunner

from forebay.cli.main import group
from forebay.state import Home, write_json


@pytest.mark.usefixtures("home")
def test_the_status_of_a_new_home_has_every_key_of_a_run() -> None:
    found = json.loads(CliRunner().invoke(group, ["status", "--json"]).stdout)
    assert found == {
        "run_id": None, "data": None, "steps": [], "accuracy": None, "gate": None, "model": None, "url": None,
        "report": None, "warnings": [], "error": None, "state": None, "seconds": None, "server": None,
        "restarts": None, "problems": [],
    }  # fmt: skip


def test_the_status_of_a_run_has_the_same_keys(home: Home) -> None:
    empty = json.loads(CliRunner().invoke(group, ["status", "--json"]).stdout)
    run = home.new_run()
    write_json(run.plan, {})
    found = json.loads(CliRunner().invoke(group, ["status", "--json"]).stdout)
    assert found.keys() == empty.keys()
    assert found["run_id"] == run.run_id
