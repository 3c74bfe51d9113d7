"""Clients of boto3 for the store and the account that the environment names."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

from forebay.object_store import variables


@dataclass(frozen=True, kw_only=True)
class StoreTimeouts:
    """How long a client waits for a store before it reports that the store does not answer."""

    connect_s: float
    read_s: float  # between two packets
    attempts: int


DEFAULT_TIMEOUTS = StoreTimeouts(connect_s=10, read_s=60, attempts=4)
SHORT_TIMEOUTS = StoreTimeouts(connect_s=3, read_s=20, attempts=2)  # for work that goes on without the store
CHECK_TIMEOUTS = StoreTimeouts(connect_s=3, read_s=5, attempts=1)  # for a person who waits for the answer


def shared_client(timeouts: StoreTimeouts = DEFAULT_TIMEOUTS) -> Any:
    """The process's client, made once per account; threads may share it."""
    return _cached_client(timeouts, *_address(), tuple(os.environ.get(name) for name in variables.ACCOUNT_VARIABLES))


def new_client(timeouts: StoreTimeouts) -> Any:
    """A client that reads the credentials anew, also those in files."""
    return _make_client(_environment_session(), timeouts, *_address())


def new_mlflow_client(timeouts: StoreTimeouts) -> Any:
    """A client as MLflow makes it: it reads `~/.aws/`, and has variables of its own for the endpoint and for TLS."""
    import boto3

    endpoint = os.environ.get(variables.MLFLOW_ENDPOINT) or None
    ignores_tls = os.environ.get(variables.MLFLOW_IGNORE_TLS, "").lower() in ("true", "1")
    # Certificates are checked unless the user set MLflow's variable to turn that off: a check that asks otherwise than
    # MLflow will would pass or fail for another reason than the run. Forebay's own clients always check.
    return _make_client(boto3.Session(), timeouts, endpoint, None, verify=False if ignores_tls else None)


def _address() -> tuple[str | None, str | None]:
    """Endpoint and region; None where boto3 has to find them."""
    endpoint = os.environ.get(variables.S3_ENDPOINT) or os.environ.get(variables.ENDPOINT)
    return endpoint or None, os.environ.get(variables.REGION) or os.environ.get(variables.DEFAULT_REGION) or None


@cache
def _cached_client(
    timeouts: StoreTimeouts, endpoint: str | None, region: str | None, _account: tuple[str | None, ...]
) -> Any:
    return _make_client(_environment_session(), timeouts, endpoint, region)


def _make_client(
    session: Any, timeouts: StoreTimeouts, endpoint: str | None, region: str | None, verify: bool | None = None
) -> Any:
    from botocore.config import Config

    has_endpoint = endpoint or any(os.environ.get(name) for name in variables.ENDPOINT_VARIABLES)
    config = Config(
        s3={"addressing_style": "path" if has_endpoint else "auto"},  # own servers rarely have a name per bucket
        retries={"mode": "standard", "total_max_attempts": timeouts.attempts},
        connect_timeout=timeouts.connect_s,
        read_timeout=timeouts.read_s,
        max_pool_connections=32,
    )
    return session.client("s3", endpoint_url=endpoint, region_name=region, config=config, verify=verify)


def _environment_session() -> Any:
    """A session that reads no `~/.aws/` unless the environment names it: a step on another machine has none."""
    import boto3
    from botocore.session import Session

    session = Session()
    names_profile = variables.PROFILE in os.environ
    files = {"config_file": variables.CONFIG_FILE, "credentials_file": variables.CREDENTIALS_FILE}
    for setting, variable in files.items():
        if not names_profile and variable not in os.environ:
            session.set_config_variable(setting, os.devnull)
    return boto3.Session(botocore_session=session)
