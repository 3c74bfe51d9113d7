"""The errors a person may see. Each says where, which value, which rule and what to do next."""

from enum import IntEnum
from pathlib import Path
from typing import Any


class ExitCode(IntEnum):
    """What a command ends with. Those above 128 are 128 and the number of a signal."""

    DONE = 0
    FAILED = 1  # after the first step began
    WRONG_USE = 2  # found before it
    GATE_REFUSED = 3
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class ForebayError(Exception):
    """Base of every error that is explained to the user in one paragraph, without a traceback."""

    exit_code = ExitCode.FAILED


class UnexpectedError(ForebayError):
    """Something that no part of Forebay foresaw; its cause is the error itself."""


class EndedBySignalError(ForebayError):
    """Ctrl-C or another signal ended the command; the message says what was kept and how to go on."""

    def __init__(self, message: str, exit_code: ExitCode, summary: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.summary = summary


class ConfigError(ForebayError):
    """A setting, an argument or the state folder cannot be used; found before anything ran."""

    exit_code = ExitCode.WRONG_USE


class DamagedError(ConfigError):
    """A stored file was cut short or changed. No other try would read it, so none is made."""

    def __init__(self, path: object, problem: object, *, lost: str, mend: str) -> None:
        words = " ".join(str(problem).split()).rstrip(".")
        super().__init__(f"{path} is damaged: {words}. Lost: {lost}. {mend}")
        self.path = path


class MachineError(ForebayError):
    """Something of the machine is missing or busy (Java, disk, port); the message names what mends it."""

    exit_code = ExitCode.WRONG_USE


class BusyError(ForebayError):
    """Another run holds the lock of this state folder or of this checkpoint."""

    exit_code = ExitCode.WRONG_USE


class DataError(ForebayError):
    """Data broke its contract."""

    def __init__(self, *, source: str, problem: str, fix: str) -> None:
        super().__init__(f"{source}: {problem}. {fix}")
        self.source = source
        self.problem = problem
        self.fix = fix


class DamagedArtifactError(DataError):
    """A file of an artifact is not what its step wrote: changed, cut short or gone."""

    def __init__(self, *, folder: Path, source: str, problem: str, fix: str) -> None:
        super().__init__(source=source, problem=problem, fix=fix)
        self.folder = folder  # the artifact, which no later run may take from the cache


class TrainError(ForebayError):
    """Training cannot begin or go on with these settings; the message names the one to change."""


class ModelError(ForebayError):
    """A model bundle, an architecture or a registered version cannot be used."""


class DeployError(ForebayError):
    """The new version did not come up or did not answer as evaluated; the old one keeps serving."""


class OtherVersionError(DeployError):
    """A server of another version answered."""


class ClusterError(ForebayError):
    """A command of `forebay up` or `forebay down` failed; what was done before it stays, and the next try goes on."""
