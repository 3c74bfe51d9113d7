"""MLflow's database of a state folder is whole or absent, whatever happens while it is made."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forebay.state import Home
from forebay.tracking import EXPERIMENT, client, experiment_id

CHILD = Path(__file__).parent / "database_child.py"


@pytest.mark.parametrize("statement", [80, 400])
def test_killed_while_the_database_is_made_the_next_one_makes_it(home: Home, statement: int) -> None:
    dying = subprocess.run([sys.executable, CHILD, str(statement)], check=False)
    assert dying.returncode == -signal.SIGKILL
    mlflow_client = client(home)
    assert mlflow_client.search_registered_models() == []
    assert mlflow_client.get_experiment(experiment_id(mlflow_client, home)).name == EXPERIMENT
    assert sorted(path.name for path in home.root.glob("*mlflow*")) == ["mlflow.db", "mlflow.lock"]


def test_two_processes_that_begin_at_once_find_the_same_experiment(home: Home) -> None:
    imports = "from forebay.state import Home; from forebay.tracking import client, experiment_id"
    command = [sys.executable, "-c", f"{imports}; home = Home.find(); print(experiment_id(client(home), home))"]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: subprocess.run(command, check=True, capture_output=True).stdout, range(2)))
    assert answers[0] == answers[1]
