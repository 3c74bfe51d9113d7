"""The base of every command: our errors become one paragraph and an exit code, for people and for `--json`."""

import functools
import json
import os
import traceback
from typing import Any

import click

from forebay.errors import ForebayError

DEBUG_VARIABLE = "FOREBAY_DEBUG"


class ForebayCommand(click.Command):
    """A command that explains a `ForebayError` instead of showing a traceback; the returned number is the exit code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(
                ["--debug"],
                is_flag=True,
                envvar=DEBUG_VARIABLE,
                expose_value=False,
                callback=_keep_debug,
                help="Show tracebacks.",
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and end with its exit code."""
        try:
            code = super().invoke(ctx)
        except ForebayError as error:
            code = _explain(error, as_json=bool(ctx.params.get("as_json")))
        ctx.exit(code or 0)


command = functools.partial(click.command, cls=ForebayCommand)
"""`click.command` for every command of ours."""


def _keep_debug(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        os.environ[DEBUG_VARIABLE] = "1"  # steps run in other processes


def _explain(error: ForebayError, *, as_json: bool) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    if as_json:
        click.echo(json.dumps(getattr(error, "summary", None) or {"error": {"step": None, "error": str(error)}}))
    click.echo(f"Error: {error}", err=True)
    return error.exit_code
