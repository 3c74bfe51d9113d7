"""The step's side of an ingest with executors: run a SparkApplication, download its result and verify it."""

import contextlib
import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from forebay.cluster.spark.spark_application import IngestApplication, custom_job, spark_application
from forebay.cluster.timeouts import ClusterTimeouts
from forebay.contracts.decoded_images import DECODED, ImageFormat
from forebay.contracts.rows import QUARANTINE, ROWS
from forebay.errors import ConfigError, DataError
from forebay.ingest.decode_result import DecodeResult
from forebay.ingest.distributed import driver
from forebay.ingest.distributed.exchange import (
    OUT,
    raise_driver_error,
    read_decode_result,
    read_result,
    write_image_format,
    write_task,
)
from forebay.ingest.result import IngestResult
from forebay.ingest.spark.task_storage import S3Storage
from forebay.kube.client import KubeClient, connect
from forebay.kube.custom_job import JobError, run_job
from forebay.kube.own_pod import OwnPod, own_pod, step_image
from forebay.kube.retries import BACKGROUND_RETRY_S
from forebay.object_store import ObjectFolder
from forebay.settings import IngestConfig
from forebay.settings.cluster_environment import SPARK_ACCOUNT, STEP_ENVIRONMENT, WORK_STORE
from forebay.settings.step_limits import SPARK_LIMIT_S
from forebay.state import StepLog
from forebay.state.events import parse_log_line
from forebay.state.file_digest import file_sha256

THREADS = 16  # a request waits for the network, not for a core
REJECTED = re.compile(r"is forbidden|exceeded quota")  # Spark reports it as a line of its driver's log
LINE_LENGTH = 500  # characters of such a line
_PART_NAME = re.compile(rf"({ROWS}|{QUARANTINE}|{DECODED})/part-\d{{5,}}\.parquet")


def read_with_executors(out: Path, config: IngestConfig, log: StepLog, timeouts: ClusterTimeouts) -> IngestResult:
    """Let a SparkApplication read the source, and download the rows and the quarantine table into `out`.

    Raises:
        ConfigError: this step does not run on a cluster, or the cluster lacks something; the message says what.
        JobError: the application failed.
        ApiError: the API server refuses.
        DataError, ConfigError, MachineError: the driver raised it.
    """
    with _worked_off(out, config, None, log, timeouts) as storage:
        result = read_result(storage)
        download(storage, result, out)
    return result


def decode_with_executors(
    out: Path, config: IngestConfig, wanted: ImageFormat, log: StepLog, timeouts: ClusterTimeouts
) -> DecodeResult:
    """Let a SparkApplication decode the source, and download the decoded parts; raises as `read_with_executors`."""
    with _worked_off(out, config, wanted, log, timeouts) as storage:
        result = read_decode_result(storage)
        download(storage, result, out)
    return result


@contextlib.contextmanager
def _worked_off(
    out: Path, config: IngestConfig, wanted: ImageFormat | None, log: StepLog, timeouts: ClusterTimeouts
) -> Iterator[S3Storage]:
    """The folder of the store in which a SparkApplication has done the task."""
    pod = own_pod()
    store, account = _require_variable(WORK_STORE), _require_variable(SPARK_ACCOUNT)
    tries = ObjectFolder.parse(store, WORK_STORE).subfolder("ingest").subfolder(_step_key(out))
    api = connect(retry_budget=timeouts.retry_budget(BACKGROUND_RETRY_S, log.warn), timeouts=timeouts.api)
    with _try_folder(tries, log, timeouts.stale_after) as storage:
        if wanted is not None:
            write_image_format(storage, wanted)
        write_task(storage, config)
        application = _application(api, pod, config, f"forebay-ingest-{_step_key(out)}", storage.uri, account)
        try:
            job = custom_job(spark_application(application))
            run_job(api, job, SPARK_LIMIT_S, log.warn, pod, _DriverLog(log).read_line, timeouts.job)
        except JobError:
            with contextlib.suppress(OSError):  # the driver left no error, so the job's own is raised
                raise_driver_error(storage)
            raise
        yield storage


@dataclass
class _DriverLog:
    """Passes on what the driver logs: how far it is, and that the cluster rejects its executors."""

    log: StepLog
    told_rejection: bool = False

    def read_line(self, line: str) -> None:
        event = parse_log_line(line)
        if event and event["kind"] == "progress":
            self.log.progress(event["done"], event["total"], event["unit"])
        elif REJECTED.search(line) and not self.told_rejection:
            self.told_rejection = True
            self.log.warn(
                f"The cluster refuses executors, and Spark goes on asking for them: {line.strip()[:LINE_LENGTH]}"
            )


def _require_variable(variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigError(
            f"ingest.executors needs {variable}, which this step does not have. The chart gives it with "
            f"spark.enabled=true and pipelines.enabled=true, in the ConfigMap {STEP_ENVIRONMENT}; or set "
            "ingest.executors=0."
        )
    return value


def _step_key(out: Path) -> str:
    """A key that each try of a step shares: Kubeflow Pipelines gives all of them the same output folder."""
    return hashlib.sha256(str(out.absolute()).encode()).hexdigest()[:16]


def _application(
    api: KubeClient, pod: OwnPod, config: IngestConfig, name: str, work: str, account: str
) -> IngestApplication:
    step_pod = pod.read(api)
    return IngestApplication(
        name=name,
        namespace=pod.namespace,
        image=step_image(step_pod),
        pull_secrets=tuple(each["name"] for each in step_pod["spec"].get("imagePullSecrets") or []),
        account=account,
        main_file=driver.__file__,  # the driver runs this container image, too
        work=work,
        executors=config.executors,
        executor_memory=config.executor_memory,
    )


@contextlib.contextmanager
def _try_folder(tries: ObjectFolder, log: StepLog, stale_after: timedelta) -> Iterator[S3Storage]:
    """A folder for this try, deleted afterwards together with what killed tries left.

    Each try has its own folder, because executors of a killed try may still write into theirs.
    """
    try:
        _delete_stale(tries, stale_after)
    except OSError as error:
        raise ConfigError(f"{WORK_STORE}: {error}. Give a bucket that this step may list and write.") from error
    try:
        yield S3Storage(f"{tries.uri}/{uuid.uuid4().hex[:8]}")
    finally:
        try:
            tries.delete_all(tries.names())
        except OSError as error:
            log.warn(
                f"What ingest passed on between its tasks is still in the store ({error}). The next ingest with "
                "executors removes it once it is a day old."
            )


def _delete_stale(tries: ObjectFolder, stale_after: timedelta) -> None:
    """Delete what earlier tries of this step left, and what other steps left that nobody tried again."""
    steps, limit = tries.parent, datetime.now(UTC) - stale_after
    stale = [
        each.path
        for each in steps.objects()
        if f"{steps.prefix}{each.path}".startswith(tries.prefix) or each.modified < limit
    ]
    steps.delete_all(stale)


def download(storage: S3Storage, result: IngestResult | DecodeResult, out: Path) -> None:
    """Download the files of a result and compare each with its digest.

    Raises:
        DataError: a file cannot be downloaded, or differs from what the driver wrote.
    """

    def get(name: str) -> None:
        uri = f"{storage.uri}/{OUT}/{name}"
        if not _PART_NAME.fullmatch(name):
            raise _bad_file(uri, "it is no part of rows or quarantine")
        try:
            storage.folder.download(f"{OUT}/{name}", out / name)
        except OSError as error:
            raise _bad_file(uri, f"it cannot be fetched: {error}") from error
        if file_sha256(out / name) != result.digests[name]:
            raise _bad_file(uri, "its bytes are not those that were written")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(get, result.digests))


def _bad_file(uri: str, problem: str) -> DataError:
    return DataError(source=uri, problem=problem, fix="Look after the object store, and run again.")
