"""`forebay run --wait` behind another run."""

from pathlib import Path

from forebay.state import Home
from support.forebay_command import Forebay


def test_a_second_run_says_whom_it_waits_for_and_goes_on_once_the_lock_is_free(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    cli = Forebay(tmp_path)
    lock = Home(cli.home).open().lock
    with lock.held("the first run"):
        second = cli.start("run", "--wait", "--data", "empty")
        assert second.stderr
        said = second.stderr.readline()
        assert second.poll() is None
    rest = second.communicate(timeout=600)[1]
    assert said.startswith(f"Waiting until {cli.home} is free: held by the first run (process ")
    assert "empty" in rest  # its own end: there is nothing to read
    assert second.returncode == 1


def test_nothing_is_said_when_nobody_holds_the_lock(home: Home) -> None:
    said: list[str] = []
    with home.lock.held("the only run", wait=True, waiting=said.append):
        assert home.lock.holder().startswith("the only run")
    assert said == []
