"""What a step answers is compared with a word of the gate, and never evaluated."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import kfp
import pytest
from kfp import compiler, dsl
from kfp.local.io import IOStore
from kfp.local.orchestrator.enhanced_dag_orchestrator import ConditionEvaluator

from forebay.backend.summary import failure
from forebay.local.runs import kfp_local
from forebay.local.runs.condition import UnknownConditionError, evaluate_condition
from forebay.state import Home, write_json
from forebay.state.events import read_events

CONDITION = "inputs.parameter_values['pipelinechannel--evaluate-Output'] == 'passed'"
EVALUATED = ConditionEvaluator.evaluate_condition  # kfp's own, before any run replaces it


def quoted(mark: Path) -> str:
    """An output that ends kfp's string and touches a file, with nothing but what every object brings."""
    shell = "[each for each in ().__class__.__base__.__subclasses__() if each.__name__ == '_wrap_close'][0]"
    return f"' or {shell}.__init__.__globals__['system']('touch {mark}') or 'passed"


def outputs(value: Any) -> IOStore:
    """What kfp hands to a condition once `evaluate` answered."""
    store = IOStore()
    store.put_task_output("evaluate", "Output", value)
    return store


@dsl.component(base_image="none", install_kfp_package=False)
def evaluate(says: str) -> str:
    return says


@dsl.component(base_image="none", install_kfp_package=False)
def register(mark: str) -> None:
    from pathlib import Path

    Path(mark).touch()


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A compiled pipeline of two steps; the second one follows where the first says `passed`."""

    @dsl.pipeline(name="gated")
    def gated(says: str, mark: str) -> None:
        judged = evaluate(says=says).set_caching_options(False)
        with dsl.If(judged.output == "passed"):
            register(mark=mark).set_caching_options(False)

    compiler.Compiler().compile(gated, str(tmp_path / "gated.yaml"))
    return tmp_path / "gated.yaml"


def test_a_quote_in_an_output_executes_nothing(home: Home, pipeline: Path, tmp_path: Path) -> None:
    EVALUATED(CONDITION, outputs(quoted(tmp_path / "kfp")))
    assert (tmp_path / "kfp").exists(), "kfp mended it: what it evaluates is no longer worth a function of our own"
    run = home.new_run()
    parameters = {"says": quoted(tmp_path / "ours"), "mark": str(tmp_path / "registered")}
    write_json(run.plan, {"pipeline": str(pipeline), "parameters": parameters, "runner": "process"})
    engine = [sys.executable, "-m", "forebay.local.runs.kfp_local", str(run.folder)]
    assert subprocess.run(engine, capture_output=True, timeout=300, check=False).returncode == 1
    failed = failure(read_events(run.events)[0])
    assert failed
    assert failed["step"] == "engine"
    assert "Evaluate's output that decides about the next steps is \"' or [each for" in failed["error"]
    assert "It must be passed or refused" in failed["error"]
    assert not (tmp_path / "ours").exists()
    assert not (tmp_path / "registered").exists()


@pytest.mark.parametrize("says", ["passed", "refused"])
def test_the_two_words_of_the_gate_decide(says: str, home: Home, pipeline: Path, tmp_path: Path) -> None:
    mark = tmp_path / "registered"
    kfp_local.run_compiled(pipeline, {"says": says, "mark": str(mark)}, home, None)
    assert mark.exists() is (says == "passed")


@pytest.mark.parametrize("value", ["Passed", "", "passed ", "passed'", None, True, 1.0, ["passed"]])
def test_any_other_output_is_refused_by_name(value: Any) -> None:
    with pytest.raises(UnknownConditionError, match="Evaluate's output"):
        evaluate_condition(CONDITION, outputs(value))


def test_an_output_that_is_not_there_is_refused_and_not_taken_for_a_no() -> None:
    with pytest.raises(UnknownConditionError, match="is None"):
        evaluate_condition(CONDITION, IOStore())


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "1 == 1",
        CONDITION + " && 1 == 1",
        CONDITION.replace("==", "!="),
        CONDITION.replace("'passed'", "'yes'"),
        CONDITION.replace("'passed'", "'passed' or print()"),
    ],
)
def test_any_other_condition_is_refused(condition: str) -> None:
    with pytest.raises(UnknownConditionError, match="The condition"):
        evaluate_condition(condition, outputs("passed"))


def test_kfp_evaluates_text_in_the_replaced_function_and_nowhere_else() -> None:
    """A kfp that evaluates elsewhere as well fails here, before anything is released with it."""
    root = Path(kfp.__file__).parent / "local"
    found = [
        (path.name, function.name)
        for path in root.rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("eval", "exec")
    ]
    assert found == [("enhanced_dag_orchestrator.py", "evaluate_condition")]
