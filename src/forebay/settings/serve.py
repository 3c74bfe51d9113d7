"""Settings of a server: who may ask it, and how much it holds at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from forebay.errors import ConfigError
from forebay.settings.environment import SERVE_PREFIX
from forebay.settings.field import StepConfig, setting
from forebay.settings.rules import AUTO, SettingRule, at_least, between, one_of

ANY = "*"
DEFAULT_PORTS = {"http": "80", "https": "443"}
ON, OFF = "true", "false"  # values of serve.page beside auto
NO_ORIGIN = "null"  # what a browser sends for a page that it opened from a file
_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?"
_HOST = rf"({_NAME}|\[[0-9A-Fa-f:.]+\])"


def normalize_origin(origin: str) -> str:
    """An origin as a browser writes it: in lower case, without a final slash and without the default port."""
    plain = origin.rstrip("/").lower()
    scheme, _, rest = plain.partition("://")
    return plain.removesuffix(f":{DEFAULT_PORTS[scheme]}") if rest and scheme in DEFAULT_PORTS else plain


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _list_rule(pattern: str, extra_words: tuple[str, ...], expected: str) -> SettingRule:
    """Accept words with commas between them that all match the pattern, and `*` alone."""

    def rule(value: str) -> str | None:
        words = _words(value)
        if value.strip() == ANY or all(word in extra_words or re.fullmatch(pattern, word) for word in words):
            return None
        return f"must be {expected}, with commas between them, or {ANY} alone"

    return rule


@dataclass(frozen=True, kw_only=True)
class ServeConfig(StepConfig):
    """Which pages may ask the server from a browser, by which names clients call it, and how much it holds at once."""

    prefix: ClassVar[str] = "serve"

    cors_origins: str = setting(
        "",
        meaning="Origins whose pages may ask the server from a browser, with commas between them, such as "
        "http://localhost:3000; * for every page, null for pages opened from a file; empty for none",
        rule=_list_rule(
            rf"[A-Za-z][A-Za-z0-9+.-]*://{_HOST}(:\d{{1,5}})?/?", (NO_ORIGIN,), "origins like https://app.example"
        ),
    )
    hosts: str = setting(
        "",
        meaning="Names by which clients call the server, with commas between them: on loopback it answers to these and "
        "to localhost, 127.0.0.1 and [::1] only; elsewhere to every name unless some are given; * for every name",
        rule=_list_rule(
            rf"({_HOST}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)", (), "names without scheme and port, like models.example"
        ),
    )

    grpc_port: int = setting(
        0,
        meaning="Where the server answers gRPC beside REST, at the same address (KServe's usual port is 8081); 0 for "
        "nowhere",
        unit="port",
        rule=between(0, 65535),
    )
    page: str = setting(
        AUTO,
        meaning="Whether / and /docs show browsers the models and what the server takes: true, false, or auto, which "
        "is true for the server of a state folder and false for one of a model folder, as on a cluster",
        rule=one_of(AUTO, ON, OFF),
    )
    connections: int = setting(
        1024,
        meaning="Connections at once, and gRPC calls in flight; where one is too many, the connection that waited "
        "longest for a request is closed",
        unit="connections",
        rule=between(8, 60000),
    )
    address_percent: int = setting(
        50,
        meaning="How much of the connections, of serve.memory_mib and of the queue one address may hold; 100 where all "
        "clients come through one proxy",
        unit="percent",
        rule=between(1, 100),
    )
    memory_mib: int = setting(
        256,
        meaning="Memory for the bodies of all requests in flight; more is answered with 503",
        unit="MiB",
        rule=at_least(16),
    )
    head_s: int = setting(
        20, meaning="Time for the whole head of a request, from its first byte", unit="s", rule=between(1, 3600)
    )
    body_s: int = setting(60, meaning="Time for the whole body of a request", unit="s", rule=between(1, 3600))

    def shows_page(self, *, by_default: bool) -> bool:
        """Whether there is a page; `by_default` says so for `auto`."""
        return by_default if self.page == AUTO else self.page == ON

    @property
    def origins(self) -> frozenset[str]:
        """The origins as a browser writes them."""
        return frozenset(map(normalize_origin, _words(self.cors_origins)))

    @property
    def names(self) -> frozenset[str]:
        """The names in small letters; IPv6 addresses without brackets."""
        return frozenset(name.strip("[]").lower() for name in _words(self.hosts))


DEFAULT_SERVE = ServeConfig()


def serve_variables(values: Mapping[str, str | int]) -> dict[str, str]:
    """Environment variables that hand a server in a container the settings that differ from the defaults."""
    return {
        f"{SERVE_PREFIX}{name.upper()}": str(value)
        for name, value in values.items()
        if str(value) != str(getattr(DEFAULT_SERVE, name, ""))
    }


def serve_config(*sources: Mapping[str, str | int]) -> ServeConfig:
    """Settings from values by name. A later source wins; unknown names are ignored, as another version may have them.

    Raises:
        ConfigError: a value is against its rule.
    """
    known = {field.name for field in fields(ServeConfig)}
    given = {name: value for source in sources for name, value in source.items() if name in known}
    return ServeConfig(**{name: _typed(name, value, getattr(DEFAULT_SERVE, name)) for name, value in given.items()})


def _typed(name: str, value: str | int, default: str | int) -> Any:
    """A number, where a file or a variable holds it as text."""
    if isinstance(default, str) or isinstance(value, int):
        return value
    if not re.fullmatch(r"-?\d{1,9}", value):
        raise ConfigError(f"{ServeConfig.prefix}.{name} must be a whole number, got {value!r}")
    return int(value)


def serve_from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The values of the environment variables, by the names of the settings.

    Raises:
        ConfigError: a value is against its rule; the message names the variable.
    """
    names = {field.name: f"{SERVE_PREFIX}{field.name.upper()}" for field in fields(ServeConfig)}
    given = {name: environment[variable] for name, variable in names.items() if variable in environment}
    for name, value in given.items():
        try:
            serve_config({name: value})
        except ConfigError as error:
            raise ConfigError(f"{names[name]}: {error}") from error
    return given
