"""Serving a state folder or a folder of bundles: models, application, limits and a listening socket put together."""

import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from forebay.errors import ConfigError
from forebay.serving.admission.control import AdmissionControl
from forebay.serving.admission.limits import MAX_BODY_BYTES, ServerLimits
from forebay.serving.app.inference_app import InferenceApp
from forebay.serving.app.page import Page
from forebay.serving.http.access import AccessPolicy, is_loopback
from forebay.serving.ports import bind
from forebay.serving.repository.bundle_folder import find_bundles
from forebay.serving.repository.model_manager import ModelManager
from forebay.serving.repository.reconciler import ModelReconciler, StateFolderReconciler
from forebay.serving.server.grpc_listener import GrpcAddress
from forebay.serving.server.inference_server import InferenceServer
from forebay.serving.server.process import server_lock
from forebay.serving.state import ServerInfo, ServingFiles, write_server
from forebay.settings.environment import CONTAINER_VARIABLE, SUPERVISOR_VARIABLE
from forebay.settings.serve import ServeConfig, serve_config
from forebay.signing import read_public_keys
from forebay.state import Home
from forebay.version import code_version

logger = logging.getLogger(__name__)

MAX_PROBLEMS_SHOWN = 3
GRPC_PORT = "serve.grpc_port"  # what a message tells to change


@dataclass(frozen=True, kw_only=True)
class BundleOptions:
    """How the bundles of a folder are served; see `find_bundles`."""

    name: str | None = None
    version: str | None = None
    digest: str = ""


def serve_home(
    home: Home, listener: socket.socket, defaults: Mapping[str, str], max_body_bytes: int = MAX_BODY_BYTES
) -> None:
    """Serve the models in `<home>/serving/desired.json` until SIGTERM; holds the state folder's server lock meanwhile.

    Args:
        home: the state folder, open.
        listener: a listening socket.
        defaults: settings by name, for those that `<home>/serving/settings.json` does not have.
        max_body_bytes: limit of a request's body.

    Raises:
        LockHeldError: another server of this state folder runs.
    """
    torch.set_num_threads(1)  # before the first model is loaded: a graph keeps the number that it finds
    files = ServingFiles.of(home)
    models = ModelManager()
    with server_lock(files):
        info = _server_info(files, listener)
        access, admission = _access_policy(ServeConfig(), listener), AdmissionControl()
        page = Page(models, home=home, loopback=_is_on_loopback(listener), max_body_bytes=max_body_bytes)

        grpc_address = GrpcAddress(str(listener.getsockname()[0]))

        def apply_settings(stored: Mapping[str, str]) -> None:
            config = serve_config(defaults, stored)
            grpc_address.port = config.grpc_port
            access.update(config)
            admission.limits = ServerLimits.from_settings(config)
            page.is_on = config.shows_page(by_default=True)

        reconciler = StateFolderReconciler(files, models, info.instance, apply_settings)
        reconciler.start()
        run(
            models, listener, access, admission, page, max_body_bytes,
            on_start=lambda: write_server(files, info),
            on_stop=lambda: files.server.unlink(missing_ok=True),
            grpc_address=grpc_address,
        )  # fmt: skip
        reconciler.stop()


def serve_folder(
    folder: Path,
    listener: socket.socket,
    settings: Mapping[str, str],
    options: BundleOptions,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> None:
    """Serve a bundle, or a folder of bundles, until SIGTERM.

    Of several bundles, those that can be loaded are served, and the server is not ready while one is missing.

    Raises:
        ConfigError: there is no bundle, none can be loaded, or a setting is against its rule.
    """
    config = serve_config(settings)
    host = str(listener.getsockname()[0])
    if config.grpc_port:
        bind(host, config.grpc_port, GRPC_PORT).close()  # a pod whose port is taken should end, not answer by half
    torch.set_num_threads(1)  # as in `serve_home`
    models = ModelManager()
    models.set_desired(find_bundles(folder, options.name, options.version, options.digest))
    reconciler = ModelReconciler(models)
    reconciler.start(wait_for_first=True)
    if not models.names():
        problems = [status.error for status in models.reconcile().values()]
        more = f" And {len(problems) - MAX_PROBLEMS_SHOWN} more." if len(problems) > MAX_PROBLEMS_SHOWN else ""
        raise ConfigError(" ".join(problems[:MAX_PROBLEMS_SHOWN]) + more)
    admission = AdmissionControl(ServerLimits.from_settings(config))
    grpc = GrpcAddress(host, config.grpc_port)
    page = Page(models, loopback=_is_on_loopback(listener), max_body_bytes=max_body_bytes)
    page.is_on = config.shows_page(by_default=False)  # a pod of a cluster serves a folder
    run(models, listener, _access_policy(config, listener), admission, page, max_body_bytes, grpc_address=grpc)
    reconciler.stop()


def run(
    models: ModelManager,
    listener: socket.socket,
    access: AccessPolicy,
    admission: AdmissionControl,
    page: Page,
    max_body_bytes: int = MAX_BODY_BYTES,
    on_start: Callable[[], None] | None = None,
    on_stop: Callable[[], None] | None = None,
    grpc_address: GrpcAddress | None = None,
) -> None:
    """Answer for these models until SIGTERM.

    Args:
        models: may change meanwhile.
        listener: a listening socket; it is closed at the end.
        access: who may ask; its settings may change meanwhile.
        admission: when a request is processed; its limits may change meanwhile.
        page: what browsers see; it may be switched on or off meanwhile.
        max_body_bytes: limit of a request's body.
        on_start, on_stop: called when the first request can be answered, and when the server begins to end.
        grpc_address: where to answer gRPC; its port may change meanwhile.
    """
    torch.set_num_threads(1)  # each request runs in one thread; more would only contend for the cores
    app = InferenceApp(models, access, admission, max_body_bytes, page)
    server = InferenceServer(app, on_start=on_start, on_stop=on_stop, grpc_address=grpc_address)
    host, port = listener.getsockname()[:2]
    logger.info(
        "listening on %s port %d, %d threads, models: %s", host, port, admission.cores, ", ".join(models.names())
    )
    with contextlib.suppress(SystemExit):  # uvicorn raises the signal again once it has stopped
        server.run(sockets=[listener])
    admission.close()
    logger.info("stopped")


def _server_info(files: ServingFiles, listener: socket.socket) -> ServerInfo:
    """What the server records about itself once it is up."""
    host, port = listener.getsockname()[:2]
    keys = read_public_keys()
    return ServerInfo(
        pid=os.getpid(),
        host=host,
        port=port,
        log=str(files.log),
        code_version=code_version(),
        container=os.environ.get(CONTAINER_VARIABLE, ""),
        instance=secrets.token_hex(8),
        supervisor=int(os.environ.get(SUPERVISOR_VARIABLE) or 0),
        verifies=keys.fingerprints if keys else "",
    )


def _access_policy(config: ServeConfig, listener: socket.socket) -> AccessPolicy:
    return AccessPolicy(config, loopback=_is_on_loopback(listener))


def _is_on_loopback(listener: socket.socket) -> bool:
    return is_loopback(str(listener.getsockname()[0]))
