"""Kubeflow Pipelines through its own client, with retries and errors that say what to do.

That client has no method for a step's log or the nodes of a run: these are read from the same server with the same
login.
"""

import contextlib
import io
import json
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from packaging.version import InvalidVersion, Version

from forebay.cluster.runs.login import PipelinesLogin
from forebay.cluster.runs.pipelines_errors import PipelinesError as PipelinesError
from forebay.cluster.runs.pipelines_errors import PipelinesUnreachableError, explain_errors
from forebay.errors import ConfigError
from forebay.kube.own_pod import STEP_CONTAINER
from forebay.kube.retries import INTERACTIVE_RETRY_S, RetryBudget

if TYPE_CHECKING:
    from kfp import Client

OLDEST = Version("2.4.0")  # the first that reads the number of GPUs from a parameter; older ones fail during a run
TIMEOUT_S = (10.0, 60.0)  # to connect, and between two bytes
PAGE = 100
Result = TypeVar("Result")
NO_LOG = (403, 404, 500)  # HTTP statuses of a server that has no such log


class PipelinesClient:
    """A connection to Kubeflow Pipelines.

    Every method raises `PipelinesError` or `PipelinesUnreachableError` for a failure that is permanent or outlasts the
    retry budget.
    """

    def __init__(self, client: "Client", login: PipelinesLogin, retry_budget: RetryBudget) -> None:
        self._client = client
        self._login = login
        self.retry_budget = retry_budget
        self._rest = client._run_api.api_client
        self.host = str(self._rest.configuration.host)
        health = self._object("/apis/v2beta1/healthz", "its version")
        self.version = str(health.get("tag_name") or "")
        self._pods = login.namespace  # where steps run
        self._namespace = login.namespace if health.get("multi_user") else None

    def run_url(self, run_id: str) -> str:
        """The address of a run in the UI; empty where only the path through the API server is known."""
        shown = self._client._uihost
        return f"{self._client._get_url_prefix()}/#/runs/details/{run_id}" if shown else ""

    def experiment_id(self, name: str) -> str:
        """The id of the experiment of that name, which is created on first use."""
        made = self._do(
            f"make or find the experiment {name}",
            lambda: self._client.create_experiment(name, namespace=self._namespace),
        )
        return str(made.experiment_id)

    def upload(self, package: Path, pipeline: str, version: str) -> tuple[str, str]:
        """The ids of the pipeline and of its version; each is uploaded only where it is not there yet."""

        def find_or_upload() -> tuple[str, str]:
            pipeline_id = self._pipeline_id(pipeline)
            if pipeline_id is None:
                made = self._client._upload_api.upload_pipeline(
                    str(package), name=pipeline, **({"namespace": self._namespace} if self._namespace else {})
                )
                pipeline_id = str(made.pipeline_id)
            return pipeline_id, self._version_id(pipeline_id, version) or self._upload(package, pipeline_id, version)

        return self._do(f"upload {pipeline} {version}", find_or_upload)

    def create_run(self, experiment: str, name: str, pipeline: tuple[str, str], parameters: dict[str, Any]) -> str:
        """Start a run of an uploaded version; returns the run's id.

        Where the connection broke after the server had started the run, the retry recognizes it by its description.
        """
        from kfp_server_api import V2beta1PipelineVersionReference, V2beta1Run, V2beta1RuntimeConfig

        mark = f"forebay submit {uuid.uuid4().hex}"
        wanted = V2beta1Run(
            experiment_id=experiment,
            display_name=name,
            description=mark,
            pipeline_version_reference=V2beta1PipelineVersionReference(
                pipeline_id=pipeline[0], pipeline_version_id=pipeline[1]
            ),
            runtime_config=V2beta1RuntimeConfig(parameters=parameters),
        )
        tries: list[str] = []

        def find_or_start() -> str:
            found = self._described(experiment, mark) if tries else None
            tries.append(mark)
            return found or str(self._client._run_api.run_service_create_run(run=wanted).run_id)

        return self._do(f"start the run {name}", find_or_start)

    def run(self, run_id: str) -> dict[str, Any]:
        """A run as the API gives it: `display_name`, `state`, `error` and more."""
        return self._object(f"/apis/v2beta1/runs/{quote(run_id, safe='')}", f"run {run_id}")

    def newest_run(self) -> dict[str, Any] | None:
        """The run that was created last, as the API gives it; None where there is none."""
        query = {
            "page_size": "1",
            "sort_by": "created_at desc",
            **({"namespace": self._namespace} if self._namespace else {}),
        }
        runs = self._object(f"/apis/v2beta1/runs?{urlencode(query)}", "the newest run").get("runs") or [None]
        found: dict[str, Any] | None = runs[0]
        return found

    def workflow(self, run_id: str) -> dict[str, Any]:
        """The Argo workflow behind a run, with its nodes; empty before there is one.

        The v2 API lists a run's tasks without their pods, so this reads the v1 API, which current servers have as well.
        """
        answer = self._object(f"/apis/v1beta1/runs/{quote(run_id, safe='')}", f"the nodes of run {run_id}")
        manifest = (answer.get("pipeline_runtime") or {}).get("workflow_manifest")
        workflow: dict[str, Any] = json.loads(manifest) if manifest else {}
        return workflow

    def log(self, run_id: str, pod: str) -> str | None:
        """What a pod's step has logged so far, or None where there is no log."""
        *others, last = self._log_addresses(run_id, pod)
        for host, path in (*others, last):
            # The other addresses are guesses, so they are not retried for as long as the server itself.
            is_last = (host, path) == last
            retry_budget = self.retry_budget if is_last else self.retry_budget.with_limit(INTERACTIVE_RETRY_S)
            try:
                text = retry_budget.retry(lambda path=path, host=host: self._log_at(path, host, pod))  # type: ignore[misc]
            except (PipelinesError, PipelinesUnreachableError) as error:
                if error.status == 401 or (is_last and error.status not in NO_LOG):
                    raise
                continue  # another address may have it
            if not text.startswith(('{"error_message"', "<")):  # errors that come with status 200
                return text
        return None

    def _log_at(self, path: str, host: str | None, pod: str) -> str:
        try:
            return self._bytes(path, f"the log of {pod}", host).decode(errors="replace")
        except PipelinesError as error:
            error.is_permanent = error.status == 500  # the server answers so where it has no such log
            raise

    def artifact(self, uri: str) -> bytes | None:
        """A file of the object store, read through the UI; None where the UI is elsewhere or does not serve it."""
        scheme, _, path = uri.partition("://")
        bucket, _, key = path.partition("/")
        query = urlencode({"source": scheme, "namespace": self._pods, "bucket": bucket, "key": key})
        cluster, through, _ = self.host.partition("/api/v1/namespaces/")
        service = f"/api/v1/namespaces/{self._pods}/services/ml-pipeline-ui:80/proxy" if through else ""
        where = f"{service}/artifacts/get?{query}"
        retry_budget = self.retry_budget.with_limit(INTERACTIVE_RETRY_S)  # the log has the facts as well
        try:
            return retry_budget.retry(lambda: self._bytes(where, uri, cluster if through else None))
        except (PipelinesError, PipelinesUnreachableError):
            return None

    def terminate(self, run_id: str) -> None:
        """End a run; its steps receive a signal."""
        self._do(f"terminate run {run_id}", lambda: self._client.terminate_run(run_id))

    def _do(self, doing: str, act: Callable[[], Result]) -> Result:
        """Do something that may be repeated from its start."""

        def once() -> Result:
            with explain_errors(self.host, doing, self._login), _no_output():
                return act()

        return self.retry_budget.retry(once)

    def _described(self, experiment: str, description: str) -> str | None:
        """The id of the run with that description, among the newest runs of an experiment."""
        query = {"experiment_id": experiment, "page_size": str(PAGE), "sort_by": "created_at desc"}
        runs = json.loads(self._bytes(f"/apis/v2beta1/runs?{urlencode(query)}", "the newest runs")).get("runs") or []
        return next((str(each["run_id"]) for each in runs if each.get("description") == description), None)

    def _pipeline_id(self, name: str) -> str | None:
        """The id of the pipeline with exactly that name in our namespace."""
        where = {"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]}
        found = self._client.list_pipelines(page_size=PAGE, filter=json.dumps(where), namespace=self._namespace)
        return next((str(each.pipeline_id) for each in found.pipelines or [] if each.display_name == name), None)

    def _version_id(self, pipeline_id: str, name: str) -> str | None:
        where = {"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]}
        found = self._client.list_pipeline_versions(pipeline_id, page_size=PAGE, filter=json.dumps(where))
        versions = found.pipeline_versions or []
        return next((str(each.pipeline_version_id) for each in versions if each.display_name == name), None)

    def _upload(self, package: Path, pipeline_id: str, version: str) -> str:
        made = self._client.upload_pipeline_version(str(package), version, pipeline_id=pipeline_id)
        return str(made.pipeline_version_id)

    def _log_addresses(self, run_id: str, pod: str) -> Iterator[tuple[str | None, str]]:
        """Where a log may be: host (None for the server itself) and path.

        In single-user mode the server looks for running pods in a namespace without a name and finds none (seen with
        2.18); it has the archived logs of pods that ended. A kubeconfig leads to the cluster itself, and the UI, which
        the host may be, reads from the cluster as well.
        """
        cluster, through, _ = self.host.partition("/api/v1/namespaces/")
        if through:
            yield cluster, f"/api/v1/namespaces/{self._pods}/pods/{pod}/log?container={STEP_CONTAINER}"
        else:
            yield None, f"/k8s/pod/logs?podname={pod}&podnamespace={self._pods}"
        yield None, f"/apis/v1alpha1/runs/{quote(run_id, safe='')}/nodes/{pod}/log"

    def _object(self, path: str, what: str) -> dict[str, Any]:
        return self._do(f"read {what}", lambda: dict(json.loads(self._bytes(path, what))))

    def _bytes(self, path: str, what: str, host: str | None = None) -> bytes:
        """The body of an answer, once."""
        with explain_errors(self.host, f"read {what}", self._login):
            response = self._rest.call_api(
                path, "GET", auth_settings=["Bearer"], _preload_content=False, _return_http_data_only=True, _host=host
            )
            return bytes(response.data)


def connect(login: PipelinesLogin, retry_budget: RetryBudget | None = None) -> PipelinesClient:
    """Find the server, log in and check that it can run what we compile.

    Args:
        login: the address and the login.
        retry_budget: how long a server that is away is waited for; without one, not at all.

    Raises:
        ConfigError: there is no address, or nothing there answers as Kubeflow Pipelines does.
        PipelinesError: the server refuses the login.
    """
    retry_budget = retry_budget or RetryBudget(0.0)
    client = retry_budget.retry(lambda: _connect_once(login, retry_budget))
    _check_version(client)
    return client


def _connect_once(login: PipelinesLogin, retry_budget: RetryBudget) -> PipelinesClient:
    with _no_output():
        try:
            return PipelinesClient(_client(login), login, retry_budget)
        except (OSError, ValueError, TypeError) as error:  # malformed kubeconfigs and certificates
            raise ConfigError(f"There is no way to Kubeflow Pipelines: {error}.") from error


def _client(login: PipelinesLogin) -> "Client":
    from kfp import Client
    from kfp.client import ServiceAccountTokenVolumeCredentials

    if not login.host:
        _require_kubeconfig(login)

    class QuietClient(Client):  # type: ignore[misc]  # kfp has no types
        """Checks the server's health once, when it is made: kfp would try for half a minute, with tracebacks."""

        def get_kfp_healthz(self, sleep_duration: int = 0) -> Any:
            host = _keep_host(self._healthz_api.api_client.configuration)
            _disable_urllib3_retries(self._healthz_api.api_client.rest_client)
            with explain_errors(host, "reach Kubeflow Pipelines", login):
                return self._healthz_api.healthz_service_get_healthz(_request_timeout=TIMEOUT_S)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kfp warns that it supports the v2 API only
        client = QuietClient(
            host=login.host or None,
            namespace=login.namespace,
            existing_token=login.token or None,
            credentials=ServiceAccountTokenVolumeCredentials(login.token_file) if login.token_file else None,
            ssl_ca_cert=login.ca_file or None,
            kube_context=login.context or None,
        )
    _keep_host(client._existing_config)
    _limit_time(client)
    return client


def _keep_host(configuration: Any) -> str:
    """Keep the client at the address that it chose, and return that address.

    Through a kubeconfig this is a path of the API server, and the Kubernetes client's hook for renewing tokens resets
    the address without the path (kfp 2.17 with kubernetes 30).
    """
    host = str(configuration.host).rstrip("/")
    renew = configuration.refresh_api_key_hook

    def hook(given: Any) -> None:
        if renew is not None:
            renew(given)
        given.host, given.refresh_api_key_hook = host, hook  # the client resets the hook as well

    configuration.refresh_api_key_hook, configuration.host = hook, host
    return host


def _limit_time(client: "Client") -> None:
    """Give every request a time limit: the generated code has none, and the client's methods do not take one."""
    rest = client._run_api.api_client.rest_client
    _disable_urllib3_retries(rest)
    request = rest.request

    def limited(*args: Any, **kwargs: Any) -> Any:
        kwargs["_request_timeout"] = kwargs.get("_request_timeout") or TIMEOUT_S
        return request(*args, **kwargs)

    rest.request = limited


def _disable_urllib3_retries(rest: Any) -> None:
    """Leave retries to `RetryBudget`: urllib3 would retry at once, or wait and tell nobody."""
    from urllib3 import Retry

    no_retries = Retry(total=None, connect=0, read=0, status=0, other=0, redirect=5, respect_retry_after_header=False)
    rest.pool_manager.connection_pool_kw["retries"] = no_retries


def _require_kubeconfig(login: PipelinesLogin) -> None:
    """Check the kubeconfig: without an address the client goes through the API server that it names."""
    from kubernetes import config

    try:
        contexts, _ = config.list_kube_config_contexts()
    except config.ConfigException as error:
        raise ConfigError(
            f"Nobody said where Kubeflow Pipelines is, and no kubeconfig does ({error}). Give --host https://… (or "
            "FOREBAY_KFP_HOST), or point KUBECONFIG at the file that your cluster gave you."
        ) from error
    names = [each["name"] for each in contexts]
    if login.context and login.context not in names:
        raise ConfigError(f"--context: the kubeconfig has no context {login.context}, only {', '.join(names)}.")


def _check_version(client: PipelinesClient) -> None:
    try:
        version = Version(client.version)
    except InvalidVersion:
        return  # somebody's own build, whose version says nothing
    if version < OLDEST:
        raise ConfigError(
            f"{client.host} runs Kubeflow Pipelines {version}; this pipeline needs {OLDEST} or newer. `forebay up` "
            "installs one that it was tested with."
        )


@contextlib.contextmanager
def _no_output() -> Iterator[None]:
    """kfp prints links on standard output, where `--json` promises one object."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
