"""`python -m forebay.serving`: the server as a process of its own, for a state folder or for a folder of bundles."""

import argparse
import os
import socket
import sys
from pathlib import Path

from forebay.errors import ForebayError
from forebay.serving.admission.limits import MAX_BODY_BYTES, MIB
from forebay.serving.log_file import redirect_output, start_rotation
from forebay.serving.ports import KSERVE_PORT, PORT_VARIABLE, bind, container_port
from forebay.serving.state import ServingFiles, read_desired
from forebay.settings.serve import serve_config, serve_from_environment
from forebay.signing import read_public_keys, require_library
from forebay.state import Home
from forebay.state.file_modes import UMASK
from forebay.state.supervisor_watch import end_with_supervisor
from forebay.text import one_line


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _serve(options)
    except ForebayError as error:
        print(one_line(f"error: {error}"), file=sys.stderr)
        return error.exit_code
    return 0


def _serve(options: argparse.Namespace) -> None:
    if options.home:
        os.umask(UMASK)
    if options.log:
        redirect_output(options.log)
        start_rotation(options.log)
    end_with_supervisor()
    settings = serve_from_environment(os.environ)
    serve_config(settings)  # so that a wrong value is reported before a port is taken
    if read_public_keys() is not None:
        require_library()
    if options.listen_fd:
        listener = socket.socket(fileno=options.listen_fd)
    else:
        listener = bind(options.host, container_port() if options.port is None else options.port)
    if options.home:
        read_desired(ServingFiles.of(Home(options.home)))  # so that a damaged file is reported at once
    from forebay.serving.server.process import configure_process  # takes seconds to import
    from forebay.serving.server.serve import BundleOptions, serve_folder, serve_home

    configure_process()
    max_body_bytes = options.max_body_mib * MIB
    if options.home:
        serve_home(Home(options.home.absolute()).open(), listener, settings, max_body_bytes)
    else:
        bundles = BundleOptions(name=options.model_name, version=options.model_version, digest=options.bundle_digest)
        serve_folder(options.models, listener, settings, bundles, max_body_bytes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m forebay.serving", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--home", type=Path, help="state folder; the models in its serving/desired.json are served")
    source.add_argument("--models", type=Path, help="a model bundle, or a folder of bundles (KServe: /mnt/models)")
    parser.add_argument("--model-name", help="name of a single bundle (default: the name of its dataset)")
    parser.add_argument("--model-version", help="version to show (default: the beginning of the weights' sha256)")
    parser.add_argument(
        "--bundle-digest", default="", help="digest of a single bundle in the registry: any other bundle is refused"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, help=f"port, 0 for any (default: the variable {PORT_VARIABLE}, else {KSERVE_PORT})"
    )
    parser.add_argument("--log", type=Path, help="append what the server prints to this file; a full one is renamed")
    parser.add_argument("--listen-fd", type=int, help=argparse.SUPPRESS)  # a listening socket from the parent
    parser.add_argument(
        "--max-body-mib", type=int, default=MAX_BODY_BYTES // MIB, help="largest request body (default: %(default)s)"
    )
    return parser


def _exit_now(code: int) -> None:
    """End without waiting for threads: a prediction may run for minutes after its client has left."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    try:
        _exit_now(main(sys.argv[1:]))
    except SystemExit as exit_request:  # from a signal during the start, or from argparse
        _exit_now(exit_request.code if isinstance(exit_request.code, int) else 0)
