"""What GitHub and GitLab would run: valid by their schemas, pinned, limited, and made of commands that exist."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from packaging.specifiers import SpecifierSet

from forebay.cli.main import group
from support.paths import ROOT

GITHUB = ROOT / ".github" / "workflows" / "ci.yml"
GITLAB = ROOT / ".gitlab-ci.yml"
WORKFLOW: dict[str, Any] = yaml.safe_load(GITHUB.read_text())
PIPELINE: dict[str, Any] = yaml.safe_load(GITLAB.read_text())
NO_JOBS = {"workflow", "stages", "default", "variables"}
GITLAB_JOBS = {name: job for name, job in PIPELINE.items() if name not in NO_JOBS}
JOBS = ("lint", "test", "compile", "kind", "submit")
SCRIPTS = (ROOT / ".ci" / "kind", ROOT / ".ci" / "submit")
SHELL = re.compile(rb"#!.*\b(ba)?sh\n")
# An expression of GitHub's in a script is text that somebody else may have chosen; the environment is the way in.
TEMPLATE = re.compile(r"\$\{\{")


def steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    return list(job["steps"])


def scripts() -> str:
    """Every line that a runner's shell gets, of both and of the scripts that they call."""
    github = [step["run"] for job in WORKFLOW["jobs"].values() for step in steps(job) if "run" in step]
    gitlab = [line for job in GITLAB_JOBS.values() for line in job["script"]]
    return "\n".join((*github, *gitlab, *(path.read_text() for path in SCRIPTS)))


def commands(program: str) -> list[list[str]]:
    """The words after a program in all scripts, without what the shell makes of the rest of the line."""
    lines = [line.strip() for line in scripts().splitlines()]
    found = [line for line in lines if line.startswith(f"{program} ")]
    cut = [re.split(r" (?:[|&>]|\d?>|\|\|)", line)[0] for line in found]
    return [shlex.split(line)[1:] for line in cut]


@pytest.mark.parametrize(
    ("schema", "file"), [("vendor.github-workflows", GITHUB), ("vendor.gitlab-ci", GITLAB)], ids=["github", "gitlab"]
)
def test_each_is_valid_by_the_schema_of_its_service(schema: str, file: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout


def test_a_mistake_in_a_workflow_is_one_that_the_schema_finds(tmp_path: Path) -> None:
    (tmp_path / "ci.yml").write_text(GITHUB.read_text().replace("runs-on:", "run-on:"))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    assert subprocess.run([*command, str(tmp_path / "ci.yml")], capture_output=True).returncode == 1


def test_both_have_the_same_jobs() -> None:
    assert tuple(WORKFLOW["jobs"]) == JOBS
    assert tuple(GITLAB_JOBS) == JOBS


def test_every_job_ends_by_itself() -> None:
    assert {name for name, job in WORKFLOW["jobs"].items() if "timeout-minutes" not in job} == set()
    assert {name for name, job in GITLAB_JOBS.items() if "timeout" not in job} == set()


def test_every_job_that_is_waited_for_exists() -> None:
    for jobs in (WORKFLOW["jobs"], GITLAB_JOBS):
        needed = [each for job in jobs.values() for each in job.get("needs", [])]
        assert {each["job"] if isinstance(each, dict) else each for each in needed} <= set(jobs)
    assert {job["stage"] for job in GITLAB_JOBS.values()} == set(PIPELINE["stages"])


def test_every_action_is_pinned_by_its_whole_commit_and_names_the_version() -> None:
    used = re.findall(r"uses: (.*)", GITHUB.read_text())
    assert used
    assert [each for each in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", each)] == []


def test_the_token_of_the_workflow_only_reads_and_is_not_left_in_the_checkout() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert [name for name, job in WORKFLOW["jobs"].items() if "permissions" in job] == []
    uses = [step for job in WORKFLOW["jobs"].values() for step in steps(job) if "checkout" in step.get("uses", "")]
    assert len(uses) == len(JOBS)
    assert all(step["with"] == {"persist-credentials": False} for step in uses)


def test_a_secret_is_given_to_one_step_of_the_job_that_runs_on_main_alone() -> None:
    holders = [name for name, job in WORKFLOW["jobs"].items() if "secrets." in yaml.safe_dump(job)]
    assert holders == ["submit"]
    submit = WORKFLOW["jobs"]["submit"]
    assert "github.ref == 'refs/heads/main'" in submit["if"]
    assert "secrets." not in str({key: value for key, value in submit.items() if key != "steps"})
    assert len([step for step in steps(submit) if "secrets." in str(step)]) == 1
    [rule] = GITLAB_JOBS["submit"]["rules"]
    assert rule["when"] == "manual"
    assert "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" in rule["if"]


def test_no_script_takes_an_expression_or_shows_what_it_runs() -> None:
    assert TEMPLATE.findall(scripts()) == []
    assert re.findall(r"set -\w*x|bash -\w*x|\benv$|printenv", scripts(), re.M) == []


def test_the_environment_is_cached_by_the_lock() -> None:
    cached = [
        step["with"] for job in WORKFLOW["jobs"].values() for step in steps(job) if "python" in str(step.get("uses"))
    ]
    assert len(cached) == len(JOBS)
    assert {(each["cache"], each["cache-dependency-path"]) for each in cached} == {("pip", "constraints.txt")}
    assert PIPELINE["default"]["cache"]["key"]["files"] == ["constraints.txt"]


def test_tests_run_on_every_python_that_the_package_takes() -> None:
    wanted = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
    supported = [f"3.{minor}" for minor in range(40) if f"3.{minor}" in wanted]
    assert WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"] == supported
    assert GITLAB_JOBS["test"]["parallel"]["matrix"] == [{"PYTHON": supported}]


def test_every_target_of_make_exists() -> None:
    targets = {word for words in commands("make") for word in words}
    assert {"lint", "test", "golden", "setup", "images"} <= targets
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_every_command_of_ours_is_one_that_the_command_line_takes() -> None:
    used = commands("forebay")
    assert {words[0] for words in used} >= {"up", "doctor", "submit", "predict", "compile", "down"}
    for word, *options in used:
        command = group.get_command(click.Context(group), word)
        assert command is not None, word
        there = ["Makefile" if option.endswith(".png") else option for option in options]  # a file that exists
        command.make_context(word, there)  # runs nothing


def test_every_script_that_is_called_is_there() -> None:
    called = {ROOT / words[0] for words in commands("bash")}
    assert called == set(SCRIPTS)


def test_the_shell_scripts_of_the_repository_have_no_known_mistake() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    names = tracked.stdout.split() or [str(path.relative_to(ROOT)) for path in SCRIPTS]  # an archive has no git
    files = [name for name in names if (ROOT / name).is_file() and SHELL.match((ROOT / name).read_bytes()[:40])]
    assert {".ci/kind", ".ci/submit"} <= {*files}
    # SC2016: what stands in single quotes is for another shell to make something of.
    command = [str(Path(sys.executable).parent / "shellcheck"), "--exclude", "SC2016", *files]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout
