"""`python -m forebay.serving`: the server as a process of its own, on a state folder or on a folder of bundles."""

import argparse
import os
import socket
import sys
from pathlib import Path

from forebay.errors import ForebayError
from forebay.serving.log_file import redirect_output, start_rotation
from forebay.serving.ports import KSERVE_PORT, PORT_VARIABLE, bind, container_port
from forebay.serving.state import ServingFiles, read_desired
from forebay.settings.serve import from_environment, serve_config
from forebay.signing import require_library, verify_keys
from forebay.state import Home
from forebay.state.file_modes import UMASK
from forebay.state.supervisor_watch import end_with_supervisor
from forebay.text import one_line


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM; returns the exit code."""
    options = _parser().parse_args(arguments)
    sys.argv = sys.argv[:1]  # the KServe SDK parses it again when it is imported
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
    settings = from_environment(os.environ)
    serve_config(settings)  # a wrong value is found before a port is taken
    if verify_keys() is not None:
        require_library()
    if options.listen_fd:
        listener = socket.socket(fileno=options.listen_fd)
    else:
        listener = bind(options.host, container_port() if options.port is None else options.port)
    if options.home:
        read_desired(ServingFiles.of(Home(options.home)))  # a damaged file, like a busy port, is found at once
    from forebay.serving import server  # seconds of imports

    server.configure_process()
    limit = options.max_body_mib << 20
    if options.home:
        server.serve_home(Home(options.home.absolute()).open(), listener, settings, limit)
    else:
        server.serve_folder(
            options.models, listener, settings,
            name=options.model_name, version=options.model_version, digest=options.bundle_digest, max_body_bytes=limit,
        )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m forebay.serving", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--home", type=Path, help="state folder; serves what serving/desired.json in it names")
    what.add_argument("--models", type=Path, help="a model bundle, or a folder of bundles (KServe: /mnt/models)")
    parser.add_argument("--model-name", help="name of a single bundle (default: the name of its dataset)")
    parser.add_argument("--model-version", help="version to show (default: the beginning of the weights' sha256)")
    parser.add_argument(
        "--bundle-digest", default="", help="of a single bundle, as the registry has it: another one is refused"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, help=f"port, 0 for any (default: the variable {PORT_VARIABLE}, else {KSERVE_PORT})"
    )
    parser.add_argument("--log", type=Path, help="append what the server prints to this file; a full one is renamed")
    parser.add_argument("--listen-fd", type=int, help=argparse.SUPPRESS)  # a listening socket from the parent
    parser.add_argument("--max-body-mib", type=int, default=64, help="largest request body (default: %(default)s)")
    return parser


def _exit_now(code: int) -> None:
    """End without waiting for threads: a prediction that nobody waits for any more may run for minutes."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    try:
        _exit_now(main(sys.argv[1:]))
    except SystemExit as ended:  # by a signal while it started, or by argparse
        _exit_now(ended.code if isinstance(ended.code, int) else 0)
