"""Environment variables that a shell sets for other programs and that must not reach our Python and Java processes.

People start `forebay` in the folder of another project, and in a shell that Jupyter, YARN or a module system has set
up. Our processes never import modules of that folder, and our Spark heeds no variable that is meant for another one.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from forebay.search_path import PYTHON_PATH

OTHER_SPARK = ("SPARK_", "PYSPARK_", "HADOOP_", "YARN_", "HIVE_")  # prefixes of names
OTHER_JAVA = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH", "BASH_ENV")


def other_spark_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """Names of variables that are set for another Spark, Hadoop or Java; empty ones count as not set."""
    environment = os.environ if environment is None else environment
    return sorted(name for name, value in environment.items() if value and _is_other(name))


@contextlib.contextmanager
def without_other_spark() -> Iterator[None]:
    """Remove those variables from the environment of this process for the block."""
    taken = {name: os.environ.pop(name) for name in list(os.environ) if _is_other(name)}
    try:
        yield
    finally:
        os.environ.update(taken)


@contextlib.contextmanager
def environment_variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables in the environment of this process for the block, and restore it afterwards."""
    before = {name: os.environ[name] for name in values if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values.keys() - before:
            os.environ.pop(name, None)
        os.environ.update(before)


def shadowing_modules(names: frozenset[str], environment: Mapping[str, str] | None = None) -> list[Path]:
    """Files and packages in folders of PYTHONPATH that shadow a module of one of these names."""
    environment = os.environ if environment is None else environment
    folders = [Path(entry) for entry in environment.get(PYTHON_PATH, "").split(os.pathsep) if entry]
    return [path for folder in folders for path in _listed(folder) if _module_name(path) in names]


def _is_other(name: str) -> bool:
    return name in OTHER_JAVA or name.startswith(OTHER_SPARK)


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # an entry that names no folder hides nothing
        return []


def _module_name(path: Path) -> str:
    if path.suffix == ".py":
        return path.stem
    return path.name if (path / "__init__.py").is_file() else ""
