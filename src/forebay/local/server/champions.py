"""Bringing registered versions up on the local server, outside a pipeline run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forebay import registry
from forebay.contracts.bundles.digest import bundle_record
from forebay.contracts.bundles.spec import SPEC, read_spec
from forebay.errors import ConfigError, DeployError, ModelError
from forebay.local.server import control
from forebay.local.server.launch import Address
from forebay.local.server.publish import publish_or_restore
from forebay.serving.client import predict_url
from forebay.serving.state import DesiredModel, ServerInfo
from forebay.state import Home
from forebay.text import find_control

LOAD_TIMEOUT_S = 120.0


def resolve(home: Home, reference: str) -> tuple[str, DesiredModel]:
    """Name and bundle of a registry reference (`digits`, `digits@champion`, `digits/3`) or of a bundle folder."""
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
        return _served(registry.resolve(home, reference))


def earlier_champion(home: Home, name: str) -> str:
    """The version that a rollback of this name goes to.

    Raises:
        ConfigError: there is none.
    """
    with _as_config():
        return registry.previous_champion(home, name).version


@dataclass(frozen=True)
class Champions:
    """The champions of a registry, each under its registered name."""

    served: dict[str, DesiredModel]  # their bundles are on this machine
    problems: dict[str, str]  # why another one cannot be served


def champions(home: Home) -> Champions:
    """Every registered model's champion; one that cannot be fetched, or is no model of ours, hinders no other.

    The server that loads them compares their files with what was registered.
    """
    found = Champions({}, {})
    for name in registry.list_names(home):
        try:
            champion = registry.champion(home, name, check=False)
        except ModelError as error:
            found.problems[name] = str(error)
        else:
            found.served.update([_served(champion)] if champion else [])
    return found


def bring_up(home: Home, references: tuple[str, ...], address: Address) -> ServerInfo:
    """Serve these models besides those that are served already; without any, every champion.

    Raises:
        ConfigError: a reference names nothing.
        DeployError: a model could not be loaded and is wanted as before; the others answer.
    """
    given = Champions(dict(resolve(home, reference) for reference in references), {})
    found = given if references else champions(home)
    wanted = found.served
    idle = control.status(home) is None and not control.is_supervised(home)
    server = control.ensure_server(home, address)

    def change(present: dict[str, DesiredModel]) -> dict[str, DesiredModel]:
        # where a server runs, a candidate may be under test by a deployment; where none ran, a kill left it
        return {name: model for name, model in present.items() if not (idle and model.candidate)} | wanted

    published = publish_or_restore(home, change, wanted.keys(), LOAD_TIMEOUT_S)
    problems = [f"{name}: {published.error(name)}" for name in wanted if published.error(name)]
    problems += found.problems.values()
    if problems:
        advice = control.other_code(home)
        raise DeployError(f"{' '.join(problems)} The server's log: {server.log} {advice}".rstrip())
    return server


def champion_url(home: Home, name: str, address: Address) -> str | None:
    """Where the champion of this name answers; it is brought up when it does not. None when there is no champion."""
    champion = registry.champion(home, name)
    if champion is None:
        return None
    answers = _served(champion)[1].loaded_status
    server = control.ensure_server(home, address) if control.status(home) else None  # it takes the settings
    if server is not None and control.loaded_models(home).get(name) == answers:
        return predict_url(server.url, name)
    return predict_url(bring_up(home, (f"{name}@champion",), address).url, name)


@contextmanager
def _as_config() -> Iterator[None]:
    """What a reference does not name is found before anything ran, so it is the caller's to mend: exit code 2."""
    try:
        yield
    except ModelError as error:
        raise ConfigError(str(error)) from error


def _served(found: registry.RegisteredBundle) -> tuple[str, DesiredModel]:
    return found.name, DesiredModel.from_record(found.folder, found.version, found.weights_sha256, found.record)
