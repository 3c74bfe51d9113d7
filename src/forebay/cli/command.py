"""The base class of every command: an error becomes one paragraph and an exit code, for people and for `--json`."""

import errno
import functools
import json
import os
import re
import traceback
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from forebay.api.explain import explain
from forebay.errors import ConfigError, EndedBySignalError, ExitCode, ForebayError, UnexpectedError
from forebay.settings.environment import DEBUG_VARIABLE
from forebay.signals import before_forced_exit, describe_cause, exit_status
from forebay.state.file_modes import private_files
from forebay.state.mask import without_passwords
from forebay.text import escape_controls

LONG_WORD = re.compile(r"(\S{200})\S{800,}(\S{20})")  # a name or path that would fill the screen; no path is so long


class ForebayCommand(click.Command):
    """A command that explains an error instead of showing a traceback; the returned number is the exit code."""

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
        as_json = bool(ctx.params.get("as_json"))

        def say(status: int, error: ForebayError | None) -> None:
            _explain(error or _nothing_kept(ExitCode(status)), as_json=as_json)

        try:
            with private_files(), before_forced_exit(say):
                code = super().invoke(ctx)
        except ForebayError as error:
            code = _explain(error, as_json=as_json)
        except KeyboardInterrupt as error:
            code = _explain(_nothing_kept(exit_status(error) or ExitCode.INTERRUPTED), as_json=as_json)
        except click.Abort as error:  # of a question
            code = _explain(_unanswered(error), as_json=as_json)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except Exception as error:  # nobody should have to read a traceback
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of a pipe went away; click ends silently
            code = _explain(_wrong_use(error) or _unexpected(error), as_json=as_json)
        ctx.exit(code or 0)


command = functools.partial(click.command, cls=ForebayCommand)
"""`click.command` for every command of ours."""


def show_problems(problems: Collection[str]) -> ExitCode:
    """Tell a person what is damaged; the exit code says whether anything is."""
    for problem in problems:
        click.echo(f"Error: {escape_controls(problem)}", err=True)
    return ExitCode.WRONG_USE if problems else ExitCode.DONE


def _keep_debug(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        os.environ[DEBUG_VARIABLE] = "1"  # steps run in other processes


def _nothing_kept(status: ExitCode) -> EndedBySignalError:
    words = f"Ended by {describe_cause(status)} before it was done. Give the same command again."
    return EndedBySignalError(words, status)


def _unanswered(abort: click.Abort) -> ForebayError:
    """The error of a question that got Ctrl-C or the end of the input for an answer; click keeps which it was."""
    if isinstance(abort.__context__, EOFError):
        return ConfigError("The input ended before the question was answered. Give the same command again.")
    return _nothing_kept(ExitCode.INTERRUPTED)


def _wrong_use(error: Exception) -> ConfigError | None:
    """What of any command a person can mend: a name that no file system takes, a working folder that is gone."""
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.ENAMETOOLONG:
        return ConfigError(f"{error.filename}: the name is longer than a file system takes. Give a shorter one.")
    if isinstance(error, FileNotFoundError) and error.filename is None and not _has_working_folder():
        return ConfigError("The folder that you work in is gone: it was removed or moved. Change to one that is there.")
    return None


def _has_working_folder() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _unexpected(error: Exception) -> UnexpectedError:
    if known := explain(error):
        return known
    words = without_passwords(" ".join(f"{type(error).__name__}: {error}".split()))
    unexpected = UnexpectedError(
        f"{words} - this is a fault of Forebay's own or of its environment, not of what you gave. Give the same "
        "command with --debug for the traceback; `forebay doctor` looks at the environment."
    )
    unexpected.__cause__ = error
    return unexpected


def _explain(error: ForebayError, *, as_json: bool) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    if as_json:
        click.echo(json.dumps(getattr(error, "summary", None) or {"error": {"step": None, "error": str(error)}}))
    prefix = "" if isinstance(error, EndedBySignalError) else "Error: "
    words = LONG_WORD.sub(r"\1…\2", escape_controls(f"{prefix}{error}"))
    click.echo(words, err=True)
    return error.exit_code
