"""The server's files: which models it should serve and how, which it serves, and which process it is.

All of them lie in `<home>/serving/`, are JSON and are replaced atomically:

- `desired.json`: the models that should be served; the command line writes it and the server follows it;
- `settings.json`: the settings that a person gave, by name; the server follows it, and so does the next server;
- `loaded.json`: what the server serves, and for which generation of `desired.json`;
- `server.json`: the server's process and address, valid only while that process holds `server.lock`;
- `address.json`: the address alone, from which the next server takes its port;
- `versions/`: what the registry knows of each version; whoever has it served writes it, and the server's page shows it;
- `supervisor.json`: how often and why the supervisor restarted the server; the supervisor alone writes it.
"""

from forebay.serving.state.files import ServingFiles
from forebay.serving.state.models import DesiredModel, LoadStatus
from forebay.serving.state.server_info import ServerInfo
from forebay.serving.state.stored import (
    read_desired,
    read_last_container,
    read_last_port,
    read_loaded,
    read_server,
    read_settings,
    write_desired,
    write_loaded,
    write_server,
    write_settings,
)
from forebay.serving.state.version_facts import VersionFacts, read_version_facts, write_version_facts

__all__ = [
    "DesiredModel",
    "LoadStatus",
    "ServerInfo",
    "ServingFiles",
    "VersionFacts",
    "read_desired",
    "read_last_container",
    "read_last_port",
    "read_loaded",
    "read_server",
    "read_settings",
    "read_version_facts",
    "write_desired",
    "write_loaded",
    "write_server",
    "write_settings",
    "write_version_facts",
]
