"""A step is a fork of a process that has imported what steps need, and still a process of its own."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kfp import compiler, dsl

from forebay.state import Home, write_json
from forebay.state.home import RunFolder


@dsl.component(base_image="none", install_kfp_package=False)
def look(facts: str) -> str:
    import json
    import os
    import sys
    import threading
    from pathlib import Path

    print("look says so")
    found = {
        "pid": os.getpid(),
        "imported": sorted({"torch", "mlflow"} & set(sys.modules)),
        "not imported": sorted({"kfp.client", "kubernetes"} - set(sys.modules)),
        "threads": threading.active_count(),
        "folder": str(Path(__file__).parent),
    }
    Path(facts).write_text(json.dumps(found))
    return "seen"


@dsl.component(base_image="none", install_kfp_package=False)
def die(facts: str, after: str) -> None:
    import os
    import signal
    from pathlib import Path

    with Path(facts).open("a") as file:
        file.write(f"\n{os.getpid()}")
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Ran:
    """What a run of both steps left."""

    code: int
    log: str
    facts: dict[str, Any]
    died: list[int]  # process ids of the second step's tries


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("warm")
    facts = folder / "facts"

    @dsl.pipeline(name="two")
    def two(facts: str) -> None:
        looked = look(facts=facts).set_caching_options(False)
        die(facts=facts, after=looked.output).set_caching_options(False).set_retry(1)

    compiler.Compiler().compile(two, str(folder / "two.yaml"))
    run = RunFolder(folder / "run")
    plan = {"pipeline": str(folder / "two.yaml"), "parameters": {"facts": str(facts)}, "runner": "process"}
    write_json(run.plan, plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOREBAY_HOME", str(Home(folder / "home").open().root))
        engine = [sys.executable, "-P", "-m", "forebay.local.runs.kfp_local", str(run.folder)]
        ended = subprocess.run(engine, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found, *pids = facts.read_text().splitlines()
    return Ran(ended.returncode, ended.stdout, json.loads(found), [int(pid) for pid in pids])


def test_a_step_finds_imported_what_steps_need_and_no_other_thread(ran: Ran) -> None:
    assert ran.facts["imported"] == ["mlflow", "torch"]
    assert ran.facts["not imported"] == ["kfp.client", "kubernetes"]
    assert ran.facts["threads"] == 1


def test_each_try_of_a_step_is_a_process_that_is_killed_alone(ran: Ran) -> None:
    assert len({ran.facts["pid"], *ran.died}) == 3, "one look, and a second try after the first was killed"
    assert ran.code == 1
    assert signal.SIGKILL.name not in ran.log


def test_what_a_step_prints_stands_in_the_log_after_its_name(ran: Ran) -> None:
    assert ran.log.index("Executing task") < ran.log.index("look says so") < ran.log.rindex("Executing task")


def test_the_code_of_a_step_lies_nowhere_afterwards(ran: Ran) -> None:
    assert not Path(ran.facts["folder"]).exists()
