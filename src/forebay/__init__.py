"""Forebay: a production ML platform on Kubeflow Pipelines that also runs whole on one bare machine.

`run` makes a model from images, `load_model` gives one to this process, `predict` asks a served one, `submit` runs the
pipeline on a cluster, and `stop` ends the server. What fails raises a `ForebayError` that says what to do next.
docs/python.md has examples. Importing this package is cheap; what a name needs is imported with its first use.
"""

from typing import TYPE_CHECKING, Any

from forebay.version import VERSION

if TYPE_CHECKING:
    from forebay.api.load_model import load_model
    from forebay.api.model import Model
    from forebay.api.predict import predict
    from forebay.api.prediction import Prediction
    from forebay.api.result import RunResult
    from forebay.api.run import run
    from forebay.api.stop import stop
    from forebay.api.submit import submit
    from forebay.backend.summary import StepFailedError
    from forebay.errors import (
        ClusterError,
        ConfigError,
        DataError,
        DeployError,
        ForebayError,
        LockHeldError,
        MachineError,
        ModelError,
        TrainError,
        UserCodeError,
    )

__all__ = [
    "ClusterError",
    "ConfigError",
    "DataError",
    "DeployError",
    "ForebayError",
    "LockHeldError",
    "MachineError",
    "Model",
    "ModelError",
    "Prediction",
    "RunResult",
    "StepFailedError",
    "TrainError",
    "UserCodeError",
    "__version__",
    "load_model",
    "predict",
    "run",
    "stop",
    "submit",
]

__version__ = VERSION

_MODULES = {
    "Model": "api.model",
    "Prediction": "api.prediction",
    "RunResult": "api.result",
    "StepFailedError": "backend.summary",
    "load_model": "api.load_model",
    "predict": "api.predict",
    "run": "api.run",
    "stop": "api.stop",
    "submit": "api.submit",
}  # all others are in `errors`


if not TYPE_CHECKING:  # a type checker, too, should know which names there are not

    def __getattr__(name: str) -> Any:
        """Import a name's module with its first use (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
        return value


def __dir__() -> list[str]:
    """What is here for people, whether it is imported yet or not."""
    return sorted(__all__)
