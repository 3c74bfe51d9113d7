"""The step's side of an ingest with executors: a SparkApplication, and its result fetched and verified."""

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

from forebay.cluster.spark.spark_application import Application, job_of, spark_application
from forebay.contracts.rows import QUARANTINE, ROWS
from forebay.errors import ConfigError, DataError
from forebay.ingest.distributed import driver
from forebay.ingest.distributed.exchange import OUT, read_result, write_task
from forebay.ingest.result import IngestResult
from forebay.ingest.spark.task_storage import S3Storage
from forebay.kube.client import Api, connect
from forebay.kube.followed_resource import JobError, run_job
from forebay.kube.own_pod import OwnPod, image_of, own_pod
from forebay.kube.retries import WORK_S, Patience
from forebay.object_store import ObjectFolder
from forebay.settings import IngestConfig
from forebay.settings.cluster_environment import SPARK_ACCOUNT, WORK_STORE
from forebay.settings.step_limits import SPARK_LIMIT_S
from forebay.state import StepLog
from forebay.state.events import parse_log_line
from forebay.state.file_digest import file_sha256

STALE = timedelta(days=1)  # no ingest lasts as long: what is older in the store, a killed one left
THREADS = 16  # a request waits for the network, not for a core
REFUSED = re.compile(r"is forbidden|exceeded quota")  # Spark's own error is a line of its driver's log
LETTERS = 500  # of such a line
_NAME = re.compile(rf"({ROWS}|{QUARANTINE})/part-\d{{5,}}\.parquet")


def read_with_executors(out: Path, config: IngestConfig, log: StepLog) -> IngestResult:
    """Let a SparkApplication read the source, and fetch the rows and the quarantine table into `out`.

    Raises:
        ConfigError: this is no step on a cluster, or the cluster is not set up for it; the message says with what.
        JobError: the application failed.
        ApiError: the API server refuses.
        DataError, ConfigError, MachineError: as the driver raised it.
    """
    pod = own_pod()
    store, account = _given(WORK_STORE), _given(SPARK_ACCOUNT)
    tries = ObjectFolder.parse(store, WORK_STORE).subfolder("ingest").subfolder(_key(out))
    api = connect(bears=Patience(WORK_S, log.warn))
    with _work_place(tries, log) as place:
        write_task(place, config)
        wanted = _application(api, pod, config, f"forebay-ingest-{_key(out)}", place.uri, account)
        try:
            run_job(api, job_of(spark_application(wanted)), SPARK_LIMIT_S, log.warn, pod, _Passing(log).on)
        except JobError:
            with contextlib.suppress(OSError):  # it said nothing: the job's own error stands
                read_result(place)
            raise
        reading = read_result(place)
        fetch(place, reading, out)
    return reading


@dataclass
class _Passing:
    """Passes on what the driver's log tells: how far it is, and that its executors are refused."""

    log: StepLog
    refused: bool = False

    def on(self, line: str) -> None:
        event = parse_log_line(line)
        if event and event["kind"] == "progress":
            self.log.progress(event["done"], event["total"], event["unit"])
        elif REFUSED.search(line) and not self.refused:
            self.refused = True
            self.log.warn(f"The cluster refuses executors, and Spark goes on asking for them: {line.strip()[:LETTERS]}")


def _given(variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigError(
            f"ingest.executors needs {variable}, which this step does not have. The chart gives it with "
            "spark.enabled=true and pipelines.enabled=true, in the ConfigMap forebay-steps; or set ingest.executors=0."
        )
    return value


def _key(out: Path) -> str:
    """The same for every try of a step: Kubeflow Pipelines keeps the place of a step's output through its tries."""
    return hashlib.sha256(str(out.absolute()).encode()).hexdigest()[:16]


def _application(api: Api, pod: OwnPod, config: IngestConfig, name: str, work: str, account: str) -> Application:
    itself = pod.look(api)
    return Application(
        name=name,
        namespace=pod.namespace,
        image=image_of(itself),
        pull_secrets=tuple(each["name"] for each in itself["spec"].get("imagePullSecrets") or []),
        account=account,
        main_file=driver.__file__,  # the driver's image is this one
        work=work,
        executors=config.executors,
        executor_memory=config.executor_memory,
    )


@contextlib.contextmanager
def _work_place(tries: ObjectFolder, log: StepLog) -> Iterator[S3Storage]:
    """A place of its own for this try, gone afterwards, with all that killed tries left.

    Each try has another one: executors of a killed try, which may still write, write elsewhere.
    """
    try:
        _clear_stale(tries)
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


def _clear_stale(tries: ObjectFolder) -> None:
    """Remove what earlier tries of this step left, and what is left of other steps that nobody tried again."""
    steps, limit = tries.parent, datetime.now(UTC) - STALE
    stale = [
        each.path
        for each in steps.objects()
        if f"{steps.prefix}{each.path}".startswith(tries.prefix) or each.modified < limit
    ]
    steps.delete_all(stale)


def fetch(place: S3Storage, reading: IngestResult, out: Path) -> None:
    """Fetch the files of a reading and hold each against its digest.

    Raises:
        DataError: one cannot be fetched, or is not what was written.
    """

    def get(name: str) -> None:
        uri = f"{place.uri}/{OUT}/{name}"
        if not _NAME.fullmatch(name):
            raise _bad(uri, "it is no part of rows or quarantine")
        try:
            place.folder.download(f"{OUT}/{name}", out / name)
        except OSError as error:
            raise _bad(uri, f"it cannot be fetched: {error}") from error
        if file_sha256(out / name) != reading.digests[name]:
            raise _bad(uri, "its bytes are not those that were written")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(get, reading.digests))


def _bad(uri: str, problem: str) -> DataError:
    return DataError(source=uri, problem=problem, fix="Look after the object store, and run again.")
