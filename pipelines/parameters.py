"""Pipeline parameters made from the settings objects, so a default or a description stands in one place only."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from forebay.settings import SettingInfo, all_settings, cache_settings, parameter_name

Parameters = dict[str, Any]
"""KFP channels by parameter name."""

Wire = Callable[[Parameters], None]


def with_setting_parameters(*more: SettingInfo) -> Callable[[Wire], Callable[..., None]]:
    """Give a pipeline function one parameter per setting of the steps.

    Args:
        more: parameters that this pipeline has besides them.
    """
    return with_parameters(*cache_settings(), *all_settings(), *more)


def with_parameters(*settings: SettingInfo) -> Callable[[Wire], Callable[..., None]]:
    """Give a pipeline function one typed, described, defaulted parameter per setting.

    The function receives the channels by name and connects the components.
    """
    names = [parameter_name(setting.key) for setting in settings]

    def decorate(wire: Wire) -> Callable[..., None]:
        def pipeline(*values: Any) -> None:
            wire(dict(zip(names, values, strict=True)))

        pipeline.__name__ = wire.__name__
        pipeline.__doc__ = _docstring(wire.__doc__ or "", settings)
        pipeline.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(
                    parameter_name(setting.key),
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    default=setting.default,
                    annotation=type(setting.default),
                )
                for setting in settings
            ]
        )
        return pipeline

    return decorate


def arguments_of(step: str, parameters: Parameters, *, without: tuple[str, ...] = ()) -> Parameters:
    """The arguments of one step's component: `train_epochs` becomes `epochs`."""
    prefix = f"{step}_"
    return {
        name.removeprefix(prefix): channel
        for name, channel in parameters.items()
        if name.startswith(prefix) and name not in without
    }


def _docstring(summary: str, settings: Sequence[SettingInfo]) -> str:
    lines = [f"    {parameter_name(s.key)}: {s.meaning}{f' ({s.unit})' if s.unit else ''}." for s in settings]
    return "\n".join([summary, "", "Args:", *lines])
