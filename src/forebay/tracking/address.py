"""Where MLflow is: a tracking server, or the sqlite file of the state folder. No other module decides that."""

import os
from urllib.parse import quote, urlsplit, urlunsplit

from forebay.settings.cluster_environment import MLFLOW_VARIABLES
from forebay.settings.environment import MLFLOW_URI
from forebay.state import Home
from forebay.state.mask import without_passwords

UI_ADDRESS = "http://127.0.0.1:5000"  # where `forebay ui` answers by default


def tracking_uri(home: Home) -> str:
    """`MLFLOW_TRACKING_URI` where it is set, else what the chart gave, else the sqlite file of the state folder."""
    return server_uri() or f"sqlite:///{home.mlflow_database}"


def shown_uri(home: Home) -> str:
    """`tracking_uri` for messages, without a user and a password."""
    return without_passwords(tracking_uri(home))


def is_used(home: Home) -> bool:
    """Whether anything was recorded yet, told without creating MLflow's database, which takes seconds."""
    return bool(server_uri()) or home.mlflow_database.exists()


def pages_address(home: Home) -> str:
    """Where MLflow's pages are: a server's own address, or that of `forebay ui`; empty where neither is known."""
    if not is_used(home):
        return ""
    parts = urlsplit(tracking_uri(home))
    if parts.scheme in ("http", "https"):
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
    return UI_ADDRESS if parts.scheme.partition("+")[0] in ("sqlite", "postgresql", "mysql", "mssql") else ""


def version_page(address: str, name: str, version: str) -> str:
    """The page of a model version at the address of MLflow's pages."""
    return f"{address}/#/models/{quote(name, safe='')}/versions/{quote(version, safe='')}"


def server_uri() -> str:
    """The address of a tracking server; empty where there is none."""
    if not os.environ.get(MLFLOW_URI):
        for name, given in MLFLOW_VARIABLES.items():  # all of them, because a login belongs to its address
            if os.environ.get(given):
                os.environ[name] = os.environ[given]
    return os.environ.get(MLFLOW_URI, "")
