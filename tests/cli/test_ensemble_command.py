"""`forebay ensemble`, before it asks the registry; tests/e2e has whole runs."""

from click.testing import CliRunner

from forebay.cli.commands.ensemble import ensemble_command
from forebay.state import Home


def test_the_text_of_a_source_of_the_users_own_travels_as_in_a_run(home: Home) -> None:
    done = CliRunner().invoke(ensemble_command, ["digits", "1", "2", "--data", "nosuch.py:Photos"])
    assert done.exit_code == 2
    assert "nosuch.py cannot be read" in done.output, "the command fills ingest.source_code in, so it reads the file"
