"""The address of Kubeflow Pipelines and the login for it; nothing here connects to it."""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from forebay.errors import ConfigError
from forebay.settings.environment import KFP_TOKEN_FILE_VARIABLE, KFP_TOKEN_VARIABLE
from forebay.settings.namespaces import PIPELINES

INSIDE = (".svc", ".cluster.local", ".localhost")  # names that do not leave a cluster or a machine


@dataclass(frozen=True, kw_only=True)
class PipelinesLogin:
    """The address of one Kubeflow Pipelines, and the login."""

    host: str  # such as https://kfp.example.com; empty for the one behind the kubeconfig
    namespace: str = PIPELINES
    context: str = ""  # context of the kubeconfig
    ca_file: str = ""  # certificates to trust, PEM
    token: str = ""
    token_file: str = ""  # read anew for every request: such tokens are short-lived and somebody renews the file

    def __repr__(self) -> str:
        """Without the token: an error or a traceback may show this."""
        return f"PipelinesLogin(host={self.host!r}, namespace={self.namespace!r})"


def login(host: str, namespace: str, context: str, ca_file: str) -> PipelinesLogin:
    """Check the options, and add the token from the environment.

    Raises:
        ConfigError: the address is malformed, a file cannot be read, there are two tokens, or the token would travel
            unencrypted.
    """
    token, token_file = os.environ.get(KFP_TOKEN_VARIABLE, "").strip(), os.environ.get(KFP_TOKEN_FILE_VARIABLE, "")
    if token and token_file:
        raise ConfigError(f"Both {KFP_TOKEN_VARIABLE} and {KFP_TOKEN_FILE_VARIABLE} are set. Unset one of them.")
    if token_file:
        _require_readable(token_file, KFP_TOKEN_FILE_VARIABLE)
    if ca_file:
        _require_readable(ca_file, "--ca")
    if host:
        _check_host(host, secret=bool(token or token_file))
    elif token or token_file:
        raise ConfigError(
            f"{KFP_TOKEN_VARIABLE if token else KFP_TOKEN_FILE_VARIABLE} is set, and no server is named for it: give "
            "--host https://… or FOREBAY_KFP_HOST. Without a host the kubeconfig's own login is used."
        )
    return PipelinesLogin(
        host=host.rstrip("/"), namespace=namespace, context=context, ca_file=ca_file, token=token, token_file=token_file
    )


def _require_readable(path: str, whose: str) -> None:
    try:
        empty = not Path(path).read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"{whose}: {path} cannot be read: {error.strerror}.") from error
    if empty:
        raise ConfigError(f"{whose}: {path} is empty.")


def _check_host(host: str, *, secret: bool) -> None:
    try:
        parts = urlsplit(host)
        name, _ = parts.hostname, parts.port
    except ValueError:
        parts, name = None, None
    if parts is None or parts.scheme not in ("http", "https") or not name:
        raise ConfigError(f"--host must look like https://kfp.example.com or http://127.0.0.1:8080, got {host!r}.")
    if parts.username or parts.password:
        raise ConfigError(
            f"--host carries a login. Give the token in {KFP_TOKEN_VARIABLE} or {KFP_TOKEN_FILE_VARIABLE}."
        )
    if secret and parts.scheme == "http" and not _stays_inside(name):
        raise ConfigError(
            f"The token would travel to {name} in the clear. Give an https:// address, or forward a port "
            "(`kubectl port-forward`) and use http://127.0.0.1."
        )


def _stays_inside(name: str) -> bool:
    if name == "localhost" or name.endswith(INSIDE):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
