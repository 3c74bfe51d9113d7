"""Every setting of the pipeline: one frozen, keyword-only object per step, checked when it is built.

The defaults here are the only ones: the pipeline's parameters, `forebay run --settings` and the tables of
docs/settings.md are made from these classes. A module is imported with the first name that is taken from it: small
processes, such as the server's supervisor, need the names of environment variables alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forebay.settings.batch import BatchConfig
    from forebay.settings.deploy import DeployConfig, RegisterConfig
    from forebay.settings.evaluate import EvaluateConfig
    from forebay.settings.ingest import IngestConfig, PreprocessConfig
    from forebay.settings.keys import (
        SettingInfo,
        all_settings,
        cache_settings,
        parameter_name,
        parse_assignments,
        step_config,
    )
    from forebay.settings.rules import AUTO
    from forebay.settings.serve import ServeConfig
    from forebay.settings.train import TrainConfig

__all__ = [
    "AUTO",
    "BatchConfig",
    "DeployConfig",
    "EvaluateConfig",
    "IngestConfig",
    "PreprocessConfig",
    "RegisterConfig",
    "ServeConfig",
    "SettingInfo",
    "TrainConfig",
    "all_settings",
    "cache_settings",
    "parameter_name",
    "parse_assignments",
    "step_config",
]

_MODULES = {
    "AUTO": "rules",
    "BatchConfig": "batch",
    "DeployConfig": "deploy",
    "EvaluateConfig": "evaluate",
    "IngestConfig": "ingest",
    "PreprocessConfig": "ingest",
    "RegisterConfig": "deploy",
    "ServeConfig": "serve",
    "TrainConfig": "train",
}  # all others are in `keys`


def __getattr__(name: str) -> Any:
    """Import a name's module with its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'keys')}"), name)
