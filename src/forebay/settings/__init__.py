"""Every setting of the pipeline: one frozen, keyword-only object per step, checked when it is built.

The defaults here are the only ones: the pipeline's parameters, `forebay run --settings` and the tables of
docs/settings.md are made from these classes.
"""

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
