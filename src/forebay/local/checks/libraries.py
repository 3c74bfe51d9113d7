"""Checks of what is installed: Python, packages, PyTorch and the MLflow database."""

import os
import sys
import sysconfig
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from forebay.backend.check import REINSTALL, CheckResult, failed, failed_with, passed
from forebay.errors import DamagedFileError
from forebay.settings.environment import MLFLOW_MAX_RETRIES, MLFLOW_TIMEOUT
from forebay.state import Home
from forebay.state.mask import without_passwords
from forebay.state.mlflow_errors import explain_mlflow_error, is_database_damage, login_advice, refused_status
from forebay.state.process_environment import shadowing_modules
from forebay.tracking import SCHEMA_REVISION, client, is_used, known_revisions, schema_revision, shown_uri


def python_version(version: tuple[int, ...] = sys.version_info[:3]) -> CheckResult:
    """The package supports the interpreter."""
    found = ".".join(map(str, version))
    wanted = metadata.metadata("forebay")["Requires-Python"]
    if SpecifierSet(wanted).contains(found):
        return passed("python", f"Python {found} at {sys.executable}")
    return failed(
        "python",
        f"Python {found} at {sys.executable} is not supported, {wanted} is",
        "Make the environment again with python3.11, python3.12 or python3.13.",
    )


def packages(requirements: list[str] | None = None) -> CheckResult:
    """Every direct dependency is installed in its pinned version."""
    wanted = metadata.requires("forebay") or [] if requirements is None else requirements
    parsed = [Requirement(text) for text in wanted]
    needed = [item for item in parsed if item.marker is None or item.marker.evaluate({"extra": ""})]
    wrong = [problem for item in needed if (problem := _mismatch(item))]
    if wrong:
        return failed("packages", "; ".join(wrong), REINSTALL)
    return passed("packages", f"{len(needed)} direct dependencies in their pinned versions")


def _mismatch(wanted: Requirement) -> str | None:
    try:
        found = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is not installed"
    if wanted.specifier.contains(found, prereleases=True):
        return None
    return f"{wanted.name} is {found}, {wanted.specifier} is needed"


def hidden_modules() -> CheckResult:
    """No folder of PYTHONPATH hides a module of Python or of an installed package."""
    names = frozenset(sys.stdlib_module_names) | frozenset(metadata.packages_distributions())
    found = [path for path in shadowing_modules(names) if not path.is_relative_to(sysconfig.get_path("purelib"))]
    if not found:
        return passed("modules", "nothing in PYTHONPATH hides a library")
    listed = ", ".join(map(str, found[:3])) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    return failed(
        "modules",
        f"PYTHONPATH makes Python import {listed} in place of the libraries of these names",
        "Take that folder from PYTHONPATH (`unset PYTHONPATH` for this command), or rename the file.",
    )


def torch_build() -> CheckResult:
    """PyTorch and torchvision import together."""
    try:
        import torch

        from forebay.models.torchvision_import import import_torchvision

        vision = import_torchvision()
    except (ImportError, OSError, RuntimeError) as error:
        return failed("torch", f"PyTorch or torchvision cannot be imported: {error}", REINSTALL)
    build = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    return passed("torch", f"torch {torch.__version__} ({build}), torchvision {vision.__version__}")


def processor() -> CheckResult:
    """The hardware from which training chooses threads and precision; this check always passes."""
    from forebay.train.plan.hardware import inspect_hardware

    found = inspect_hardware()
    precision = "bf16" if found.bf16 else "fp32 (no native bf16)"
    flags = " ".join(found.cpu_flags)
    return passed("processor", f"trains on {found.device_name} in {precision}; {found.cores} CPU cores: {flags}")


def mlflow_store(home: Home) -> CheckResult:
    """The tracking store and the registry answer."""
    if not is_used(home):
        return passed("mlflow", "no run has been recorded yet")
    uri = shown_uri(home)
    if uri.startswith("sqlite:") and (result := _schema_check(home, uri)):
        return result
    # A person should hear of an unreachable server soon; with its defaults MLflow tries for minutes.
    os.environ.setdefault(MLFLOW_MAX_RETRIES, "1")
    os.environ.setdefault(MLFLOW_TIMEOUT, "5")
    try:
        versions = len(client(home).search_model_versions(max_results=1000))
    except Exception as error:  # its stores let errors of the database driver and of HTTP through
        if is_database_damage(error):
            return CheckResult(name="mlflow", ok=False, detail=explain_mlflow_error(error))
        if status := refused_status(error):
            return failed("mlflow", f"{uri} refuses the login ({status})", login_advice())
        first_line = without_passwords(str(error).strip() or type(error).__name__).splitlines()[0]
        return failed(
            "mlflow",
            f"{uri} cannot be read: {first_line}",
            "Restore the file from a copy, or move it away to begin a new registry; a server of MLFLOW_TRACKING_URI "
            "must be up and of the version that constraints.txt names.",
        )
    return passed("mlflow", f"{versions} model versions in {uri}")


def _schema_check(home: Home, uri: str) -> CheckResult | None:
    """The result for a database that MLflow cannot use as it is; None where it can."""
    try:
        found = schema_revision(home.mlflow_database)
    except DamagedFileError as error:
        return failed_with("mlflow", error)
    if found in (None, SCHEMA_REVISION) or found == (known := known_revisions())[0]:
        return None
    if found in known:
        migration = "the next command that needs it copies and migrates it"
        return passed("mlflow", f"{uri} is of an older MLflow; {migration}")
    return failed("mlflow", f"{uri} is of a newer MLflow (schema {found})", "Use the Forebay that made it.")
