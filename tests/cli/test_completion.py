"""Completion by click's own protocol: what a shell gets, and how little of the package it costs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from forebay.cli.completion import SHELLS, OurBash, OurZsh
from forebay.cli.main import COMMANDS, group
from forebay.state import Home

HEAVY = {"torch", "numpy", "mlflow", "kfp", "pyarrow", "rich", "kubernetes", "forebay.registry", "PIL"}


def offered(*words: str) -> list[str]:
    """What is offered for the last word."""
    *before, incomplete = words
    found = OurBash(group, {}, "forebay", "_FOREBAY_COMPLETE").get_completions(before, incomplete)
    return [item.value for item in found]


@pytest.mark.parametrize(
    ("words", "among"),
    [
        (("",), list(COMMANDS)),
        (("ru",), ["run", "runs"]),
        (("--v",), ["--version"]),
        (("run", "--se"), ["--set", "--seed", "--settings"]),
        (("run", "--set", "train.ep"), ["train.epochs="]),
        (("run", "--set", "serve.h"), ["serve.hosts="]),
        (("serve", "--set", ""), ["serve.hosts="]),
        (("ingest", "--set", "eval"), ["evaluate.min_accuracy="]),
        (("run", "--model", ""), ["mlp", "lenet5", "resnet9"]),
        (("run", "--model", "timm/convnext_t"), ["timm/convnext_tiny"]),
        (("weights", ""), ["fetch", "list"]),
        (("logs", "tr"), ["train"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("home")
def test_commands_options_and_names_are_completed(words: tuple[str, ...], among: list[str]) -> None:
    found = offered(*words)
    assert [name for name in among if name not in found] == []
    assert all(name.startswith(words[-1]) for name in found)


@pytest.mark.usefixtures("home")
def test_the_server_takes_no_settings_of_a_run() -> None:
    assert offered("serve", "--set", "train.") == []


def test_runs_and_registered_models_are_completed_from_the_state_folder(mlflow_home: Home) -> None:
    import sqlite3

    assert offered("rollback", "") == []
    with sqlite3.connect(mlflow_home.mlflow_database) as database:
        database.execute("insert into registered_models (name, workspace) values ('digits', 'default')")
    run = mlflow_home.new_run()
    assert offered("rollback", "d") == offered("serve", "") == ["digits"]
    assert offered("logs", "train", "--run", "") == [run.run_id]


def test_nothing_is_made_and_nothing_said_where_there_is_no_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOREBAY_HOME", str(tmp_path / "absent"))
    assert offered("rollback", "") == offered("logs", "train", "--run", "") == []
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "mlflow.db").write_bytes(b"no database")
    assert offered("rollback", "") == []
    assert capfd.readouterr() == ("", "")


def test_a_shell_is_answered_without_loading_anything_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom forebay.cli import main\ntry:\n main()\nexcept SystemExit:\n pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    variables = {"_FOREBAY_COMPLETE": "bash_complete", "COMP_WORDS": "forebay run --set train.ep", "COMP_CWORD": "3"}
    environment = {**os.environ, **variables, "FOREBAY_HOME": str(tmp_path / "absent")}
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert "plain,train.epochs=" in done.stdout.splitlines()
    assert HEAVY.intersection(done.stderr.split()) == set()


def test_bash_completes_by_the_line_of_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "forebay"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m forebay "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(forebay completion bash)"\ncompopt() { echo "compopt $1 $2"; }\n'
        "COMP_WORDS=(forebay run --set train.ep)\nCOMP_CWORD=3\n_forebay_completion forebay\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "FOREBAY_HOME": str(tmp_path / "absent")}
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run([bash, "--norc", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["compopt -o nospace", "train.epochs="]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script_that_asks_this_command(shell: str) -> None:
    from click.testing import CliRunner

    script = CliRunner().invoke(group, ["completion", shell]).stdout
    assert f"_FOREBAY_COMPLETE={shell}_complete" in script


def test_what_we_add_to_the_scripts_of_click_is_in_them() -> None:
    assert "compopt -o nospace" in OurBash.source_template
    assert "compadd -U -S ''" in OurZsh.source_template
