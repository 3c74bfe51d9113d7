"""The champion of a registered model, and the champions before it."""

from typing import TYPE_CHECKING

from forebay import tracking
from forebay.registry.queries import quote_name
from forebay.state import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPIONS_TAG = "forebay.champions"  # tag of a registered model: its versions in the order they became champion
MAX_CHAMPIONS = 100  # MLflow cuts long tags


def champion_version(home: Home, name: str) -> str | None:
    """The number of the version that carries the alias `champion`, or None where there is none yet."""
    return find_champion_version(tracking.client(home), name) if tracking.is_used(home) else None


def set_champion(home: Home, name: str, version: str, *, back: bool = False) -> None:
    """Move the alias `champion`; nothing changes where the version carries it already.

    Args:
        back: remove the present champion from the history, so that the next rollback goes one further.
    """
    client = tracking.client(home)
    history = champion_history(client, name)
    if history and history[-1] == version:
        return
    if back:
        history = history[: _last_place(history, version) + 1] or [version]
        client.set_registered_model_alias(name, tracking.CHAMPION, version)
        client.set_registered_model_tag(name, CHAMPIONS_TAG, ",".join(history))
    else:  # the alias decides, so it comes last; after a kill, `champion_history` cuts a longer history back to it
        client.set_registered_model_tag(name, CHAMPIONS_TAG, ",".join([*history, version][-MAX_CHAMPIONS:]))
        client.set_registered_model_alias(name, tracking.CHAMPION, version)


def find_champion_version(client: "MlflowClient", name: str) -> str | None:
    """As `champion_version`, with a client."""
    models = client.search_registered_models(f"name = '{quote_name(name)}'")
    version = models[0].aliases.get(tracking.CHAMPION) if models else None
    return None if version is None else str(version)


def champion_history(client: "MlflowClient", name: str) -> list[str]:
    """The versions in the order in which they became champion; the last one is champion now."""
    present = find_champion_version(client, name)
    if present is None:
        return []
    tag: str = client.get_registered_model(name).tags.get(CHAMPIONS_TAG, "")
    history = [version for version in tag.split(",") if version]
    return history[: _last_place(history, present) + 1] or [present]


def _last_place(history: list[str], version: str) -> int:
    """The last index of a version, or -1."""
    return max((place for place, item in enumerate(history) if item == version), default=-1)
