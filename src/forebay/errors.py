"""The errors a person may see. Each says where, which value, which rule and what to do next.

A class stands below each of its bases. The second column names the module, where it is another one than this.
`tests/test_errors.py` compares the drawing with the classes.

    ForebayError
        UnexpectedError
        EndedBySignalError
        ConfigError
            DamagedFileError
            PipelinesUnreachableError   cluster.runs.pipelines_errors
        MachineError
        LockHeldError
        DataError
            DamagedArtifactError
            MissingColumnError          ingest.labels.table_columns
        UnusableImageError              images.errors
        DecodingCancelledError          images.errors
        UserCodeError
        TrainError
        ModelError
            RegistryError               cluster.rollout.registry_retries
            NoRollbackTargetError       registry.bundles
            WeightsError                weights.errors
        DeployError
            WrongVersionError
            SupersededError             cluster.rollout.rollout
        ClusterError
            PodStuckError               kube.one_shot_pod
            PipelinesError              cluster.runs.pipelines_errors
        JobError                        kube.custom_job
        RequestFailedError              kube.retries
            ApiError                    kube.api_errors
            RegistryError               cluster.rollout.registry_retries
            PipelinesError              cluster.runs.pipelines_errors
            PipelinesUnreachableError   cluster.runs.pipelines_errors
        StoreAccessError                object_store.access
            MissingCredentialsError     object_store.access
            CredentialRenewalError      object_store.access
            StoreRefusedError           object_store.access
        StepFailedError                 backend.summary
        UnknownConditionError           local.runs.condition
        PredictionFailedError           serving.client
        RequestRejectedError            serving.rejection
        ClientDisconnectedError         serving.admission.remote_client
        NotInLoopError                  serving.admission.memory_reservation
        NotSmallError                   serving.admission.memory_reservation

Three exceptions end work in order and are no errors:

    KeyboardInterrupt
        SignalInterrupt                 signals
    Exception
        TrainingInterrupt               train.loop.training_loop
        ObserverInterrupt               train.observer
"""

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
    """Forebay did not foresee this error; `__cause__` holds it."""


class EndedBySignalError(ForebayError):
    """Ctrl-C or another signal ended the command; the message says what was kept and how to go on."""

    def __init__(self, message: str, exit_code: ExitCode, summary: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.summary = summary


class ConfigError(ForebayError):
    """A setting, an argument or the state folder cannot be used; found before anything ran."""

    exit_code = ExitCode.WRONG_USE


class DamagedFileError(ConfigError):
    """A stored file was cut short or changed. Another try would read the same bytes, so none is made."""

    def __init__(self, path: object, problem: object, *, lost: str, mend: str) -> None:
        words = " ".join(str(problem).split()).rstrip(".")
        super().__init__(f"{path} is damaged: {words}. Lost: {lost}. {mend}")
        self.path = path


class MachineError(ForebayError):
    """Something that the command needs is missing, busy or refuses: Java, disk, a port, a server."""

    exit_code = ExitCode.WRONG_USE


class LockHeldError(ForebayError):
    """Another process holds the lock of this state folder, checkpoint or output folder."""

    exit_code = ExitCode.WRONG_USE


class DataError(ForebayError):
    """Data break their contract."""

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


class UserCodeError(ForebayError):
    """Code that the user brought cannot be loaded, raised an exception, or returned what it must not."""

    exit_code = ExitCode.WRONG_USE  # of a command; in a step it ends the step, and the command says that this failed


class TrainError(ForebayError):
    """Training cannot begin or go on with these settings; the message names the one to change."""


class ModelError(ForebayError):
    """A model bundle, an architecture or a registered version cannot be used."""


class DeployError(ForebayError):
    """The new version did not come up or did not answer as evaluated; the old one keeps serving."""


class WrongVersionError(DeployError):
    """A server of another version answered."""


class ClusterError(ForebayError):
    """Work on a cluster failed after it began: a command, a pod or a run. What was done before stays."""
