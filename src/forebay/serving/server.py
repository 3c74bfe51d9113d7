"""The server process: models, the KServe SDK's application, our layer in front, a listening socket."""

import contextlib
import gc
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from kserve import ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer
from starlette.exceptions import HTTPException

from forebay.errors import BusyError, ConfigError
from forebay.log_lines import log_to
from forebay.serving.admission.admission import Admission
from forebay.serving.app import MAX_BODY_BYTES, PATHS, FrontDoor
from forebay.serving.follow import Follower, Settler, find_bundles
from forebay.serving.http.access import Access, is_loopback
from forebay.serving.http.limits import Limits, raise_open_files
from forebay.serving.http.server import Server, end_after
from forebay.serving.openapi import openapi
from forebay.serving.repository import Models
from forebay.serving.state import ServerInfo, ServingFiles, write_server
from forebay.settings.serve import ServeConfig, serve_config
from forebay.signals import raise_on_signals
from forebay.signing import verify_keys
from forebay.state import FileLock, Home
from forebay.state.runners import CONTAINER_VARIABLE
from forebay.state.supervisor_watch import SUPERVISOR_VARIABLE
from forebay.version import code_version

logger = logging.getLogger(__name__)

SAID = 3  # problems of bundles in one message
LOCK_TRIES = 20
LOCK_EVERY_S = 0.05


class _DataPlane(DataPlane):  # type: ignore[misc]
    """The SDK's data plane, which also tells the version, claims only what is on, and is ready when the models are."""

    def __init__(self, models: Models) -> None:
        super().__init__(model_registry=models.repository)
        self.models = models

    def metadata(self) -> dict[str, Any]:
        """V2 server metadata."""
        return {**super().metadata(), "extensions": ["binary_tensor_data", "classification"]}

    async def ready(self) -> bool:
        """Whether every model that is wanted answers; so with nothing wanted, as Triton and the SDK have it."""
        return not self.models.missing()

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """V2 model metadata."""
        facts = await super().model_metadata(model_name)
        model = self.get_model_from_registry(model_name)
        return {**facts, "platform": "forebay_torch", "versions": [model.served.version]}


def serve_home(
    home: Home, listener: socket.socket, defaults: Mapping[str, str], max_body_bytes: int = MAX_BODY_BYTES
) -> None:
    """Serve what `<home>/serving/desired.json` names until SIGTERM; holds the home's server lock meanwhile.

    Args:
        home: the state folder, open.
        listener: a listening socket.
        defaults: settings by name, where `<home>/serving/settings.json` has none.
        max_body_bytes: of a request.

    Raises:
        BusyError: another server of this state folder runs.
    """
    files = ServingFiles.of(home)
    models = Models(ModelRepository())
    with _only_server(files):
        instance, keys = secrets.token_hex(8), verify_keys()
        access, admission = _access(ServeConfig(), listener), Admission()

        def use(stored: Mapping[str, str]) -> None:
            config = serve_config(defaults, stored)
            access.use(config)
            admission.limits = Limits.of(config)

        follower = Follower(files, models, instance, use)
        follower.start()
        host, port = listener.getsockname()[:2]
        info = ServerInfo(
            pid=os.getpid(), host=host, port=port, log=str(files.log), code_version=code_version(),
            container=os.environ.get(CONTAINER_VARIABLE, ""), instance=instance,
            supervisor=int(os.environ.get(SUPERVISOR_VARIABLE) or 0), verifies=keys.fingerprints if keys else "",
        )  # fmt: skip
        run(
            models, listener, access, admission, max_body_bytes,
            on_start=lambda: write_server(files, info),
            on_stop=lambda: files.server.unlink(missing_ok=True),
        )  # fmt: skip
        follower.stop()


def serve_folder(
    folder: Path,
    listener: socket.socket,
    settings: Mapping[str, str],
    *,
    name: str | None = None,
    version: str | None = None,
    digest: str = "",
    max_body_bytes: int = MAX_BODY_BYTES,
) -> None:
    """Serve a bundle, or a folder of bundles, until SIGTERM; see `find_bundles` for the arguments.

    Of several, those that can be loaded are served, and the server is not ready.

    Raises:
        ConfigError: there is no bundle, none can be loaded, or a setting is against its rule.
    """
    config = serve_config(settings)
    models = Models(ModelRepository())
    models.want(find_bundles(folder, name, version, digest))
    settler = Settler(models)
    settler.start(until_one=True)
    if not models.names():
        problems = [loaded.error for loaded in models.settle().values()]
        more = f" And {len(problems) - SAID} more." if len(problems) > SAID else ""
        raise ConfigError(" ".join(problems[:SAID]) + more)
    run(models, listener, _access(config, listener), Admission(Limits.of(config)), max_body_bytes)
    settler.stop()


def run(
    models: Models,
    listener: socket.socket,
    access: Access,
    admission: Admission,
    max_body_bytes: int = MAX_BODY_BYTES,
    on_start: Callable[[], None] | None = None,
    on_stop: Callable[[], None] | None = None,
) -> None:
    """Answer for these models until SIGTERM.

    Args:
        models: may change meanwhile.
        listener: a listening socket; closed at the end.
        access: who may ask; its settings may change meanwhile.
        admission: when a request is done; its limits may change meanwhile.
        max_body_bytes: of a request.
        on_start, on_stop: called when the first request can be answered, and when the end begins.
    """
    torch.set_num_threads(1)  # requests run side by side, one thread each; more would only contend for the cores
    door = FrontDoor(models, _sdk_application(models), access, admission, max_body_bytes)
    server = Server(door, on_start=on_start, on_stop=on_stop)
    host, port = listener.getsockname()[:2]
    logger.info(
        "listening on %s port %d, %d threads, models: %s", host, port, admission.cores, ", ".join(models.names())
    )
    with contextlib.suppress(SystemExit):  # uvicorn raises the signal again once it has stopped
        server.run(sockets=[listener])
    admission.close()
    logger.info("stopped")


def _access(config: ServeConfig, listener: socket.socket) -> Access:
    return Access(config, loopback=is_loopback(str(listener.getsockname()[0])))


def _sdk_application(models: Models) -> FastAPI:
    """The SDK's REST application on our models: health, readiness, metadata, metrics."""
    from kserve import model_server

    extension = ModelRepositoryExtension(model_registry=models.repository)
    RESTServer("", _DataPlane(models), extension, 0).create_application()
    model_server.app.add_exception_handler(HTTPException, _in_our_form)
    model_server.app.openapi = openapi
    return model_server.app  # type: ignore[no-any-return]


async def _in_our_form(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": f"{error.detail}. Use {PATHS}."}, error.status_code, error.headers)


@contextlib.contextmanager
def _only_server(files: ServingFiles) -> Iterator[None]:
    """Hold the server lock; a command that only looks holds it for an instant, hence the tries."""
    with contextlib.ExitStack() as stack:
        for left in reversed(range(LOCK_TRIES)):
            try:
                stack.enter_context(FileLock(files.lock).held(_holder()))
                break
            except BusyError:
                if not left:
                    raise
                time.sleep(LOCK_EVERY_S)
        yield


def _holder() -> str:
    """What `server.lock` says of us: a pid inside a container means nothing outside."""
    container = os.environ.get(CONTAINER_VARIABLE)
    return f"the server in container {container}" if container else "the server"


def configure_process() -> None:
    """Set up logging to standard error, a clean end on SIGTERM and Ctrl-C, and a cheaper garbage collector.

    To be called after the imports and before any model is loaded.
    """
    raise_open_files()
    gc.freeze()  # what imports made stays; walking it in every collection made large JSON bodies cost five times more
    log_to(sys.stderr)
    logging.getLogger("kserve.trace").setLevel(logging.WARNING)  # one line per probe otherwise
    raise_on_signals(_clean_exit)


def _clean_exit(number: int) -> SystemExit:
    end_after(Limits.end_s)  # where a load is in progress, too
    return SystemExit(0)
