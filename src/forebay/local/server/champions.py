"""Serving registered versions on the server of this machine, outside a pipeline run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forebay import registry
from forebay.contracts.bundles.digest import bundle_record
from forebay.contracts.bundles.spec import SPEC, read_spec
from forebay.errors import ConfigError, DeployError, ModelError
from forebay.local.server import control, server_status
from forebay.local.server.launch import ServerOptions
from forebay.local.server.publish import publish_or_restore
from forebay.local.server.timeouts import DEFAULT_TIMEOUTS, ServerTimeouts
from forebay.local.server.version_facts import keep_version_facts
from forebay.serving.client import predict_url
from forebay.serving.state import DesiredModel, ServerInfo
from forebay.state import Home
from forebay.text import find_control


def resolve_reference(home: Home, reference: str, *, for_server: bool = False) -> tuple[str, DesiredModel]:
    """The name and the bundle that a reference names: `digits`, `digits@champion`, `digits/3` or a bundle folder.

    `for_server` also keeps what the registry knows of the version for the server's page.
    """
    folder = Path(reference).absolute()
    if (folder / SPEC).is_file():
        forbidden = find_control(folder.name)
        if forbidden:
            raise ConfigError(
                f"{str(folder)!r} holds {forbidden} in its last part, by which the model would be called. Rename it."
            )
        with _as_config():
            return folder.name, DesiredModel.from_record(
                folder, "0", read_spec(folder).weights_sha256, bundle_record(folder)
            )
    with _as_config():
        found = registry.resolve(home, reference)
    if for_server:
        keep_version_facts(home, found)
    return _served(found)


def rollback_version(home: Home, name: str) -> str:
    """The version to which a rollback of this name goes.

    Raises:
        ConfigError: there is none.
    """
    with _as_config():
        return registry.previous_champion(home, name).version


@dataclass(frozen=True)
class FoundChampions:
    """The champions of a registry, by registered name."""

    models: dict[str, DesiredModel]  # champions whose bundles are on this machine
    problems: dict[str, str]  # champions that cannot be served, and why


def find_champions(home: Home) -> FoundChampions:
    """The champion of every registered model. One that cannot be fetched, or is no model of ours, hinders no other.

    The server that loads a champion compares its files with what was registered.
    """
    found = FoundChampions({}, {})
    for name in registry.list_names(home):
        try:
            champion = registry.champion(home, name, check=False)
        except ModelError as error:
            found.problems[name] = str(error)
        else:
            if champion:
                keep_version_facts(home, champion)
                found.models.update([_served(champion)])
    return found


def serve_models(
    home: Home, references: tuple[str, ...], options: ServerOptions, timeouts: ServerTimeouts = DEFAULT_TIMEOUTS
) -> ServerInfo:
    """Serve these models besides those that are served already; without any, every champion.

    Raises:
        ConfigError: a reference names nothing.
        DeployError: a model could not be loaded, and what was served under its name stays; the others answer.
    """
    given = FoundChampions(dict(resolve_reference(home, reference, for_server=True) for reference in references), {})
    found = given if references else find_champions(home)
    wanted = found.models
    idle = server_status.running_server(home) is None and not server_status.is_supervised(home)
    server = control.ensure_server(home, options, timeouts)

    def change(present: dict[str, DesiredModel]) -> dict[str, DesiredModel]:
        # a running server may hold the candidate of a deployment; where none ran, a killed deployment left it
        return {name: model for name, model in present.items() if not (idle and model.candidate)} | wanted

    published = publish_or_restore(home, change, wanted.keys(), timeouts.load_s)
    problems = [f"{name}: {published.error(name)}" for name in wanted if published.error(name)]
    problems += found.problems.values()
    if problems:
        advice = server_status.code_mismatch_advice(home)
        raise DeployError(f"{' '.join(problems)} The server's log: {server.log} {advice}".rstrip())
    return server


def champion_url(home: Home, name: str, options: ServerOptions) -> str | None:
    """The URL at which the champion of this name answers; it is served where it is not. None without a champion."""
    champion = registry.champion(home, name)
    if champion is None:
        return None
    answers = _served(champion)[1].loaded_status
    server = (
        control.ensure_server(home, options) if server_status.running_server(home) else None
    )  # it follows the settings of the options
    if server is not None and server_status.loaded_models(home).get(name) == answers:
        return predict_url(server.url, name)
    return predict_url(serve_models(home, (f"{name}@champion",), options).url, name)


@contextmanager
def _as_config() -> Iterator[None]:
    """A wrong reference is found before anything ran, so it ends the command with exit code 2."""
    try:
        yield
    except ModelError as error:
        raise ConfigError(str(error)) from error


def _served(found: registry.RegisteredBundle) -> tuple[str, DesiredModel]:
    return found.name, DesiredModel.from_record(found.folder, found.version, found.weights_sha256, found.record)
