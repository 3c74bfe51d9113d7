"""A client of the Kubernetes API with a few verbs, retries, and errors that say what to do."""

import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from forebay.errors import ConfigError
from forebay.kube.api_errors import ApiError as ApiError
from forebay.kube.api_errors import no_answer_error, not_an_api_server, refused_error
from forebay.kube.labels import DOMAIN, MANAGER
from forebay.kube.resource_types import PODS, SELF_SUBJECT_REVIEWS, Object, ResourceType
from forebay.kube.retries import RetryBudget
from forebay.kube.timeouts import ApiTimeouts

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Result = TypeVar("Result")
REQUEST_ANNOTATION = f"{DOMAIN}/request"  # by it a retried request knows the object that its first try created
HTTP_GONE = 410  # the server no longer knows the state that a watch should begin at


@dataclass(frozen=True)
class ApiServerInfo:
    """What an API server says about itself."""

    version: tuple[int, int]
    release: str  # the full version, such as v1.33.1-gke.100
    now: datetime | None  # its clock, to the second; None where a proxy removed the header


class KubeClient:
    """A connection to an API server.

    Every method raises `ApiError` for a failure that is permanent or outlasts the retry budget.
    """

    def __init__(self, client: "ApiClient", retry_budget: RetryBudget, timeouts: ApiTimeouts | None = None) -> None:
        self.retry_budget = retry_budget
        self._client = client
        self._timeouts = timeouts or ApiTimeouts()

    @property
    def host(self) -> str:
        """The server's address, such as https://10.0.0.1:443."""
        return str(self._client.configuration.host)

    def with_retry_limit(self, limit_s: float) -> "KubeClient":
        """The same connection for an optional request, with a limit of its own and without messages."""
        return KubeClient(self._client, self.retry_budget.with_limit(limit_s), self._timeouts)

    def retry_as_one(self, action: "Callable[[KubeClient], Result]") -> Result:
        """Make several requests, each of which relies on those before it: a failure repeats all of them.

        Args:
            action: makes the requests on the connection that it is given.
        """
        return self.retry_budget.retry(lambda: action(self.with_retry_limit(0.0)))

    def server_info(self) -> ApiServerInfo:
        """The server's version and clock; every account that the server knows may ask."""
        found, headers = self._json_and_headers("GET", "/version")
        try:
            version = int(found["major"]), int(re.sub(r"\D.*", "", found["minor"]))  # some clouds write 33+
        except (ValueError, KeyError, TypeError) as error:
            raise not_an_api_server(self.host) from error
        date = headers.get("Date")
        return ApiServerInfo(version, str(found.get("gitVersion", "")), parsedate_to_datetime(date) if date else None)

    def user_name(self) -> str:
        """The name under which the server knows this connection."""
        return str(self.create(SELF_SUBJECT_REVIEWS, {})["status"]["userInfo"]["username"])

    def resource_names(self, group: str, version: str) -> set[str] | None:
        """The plural names of the kinds in a group's version; None where the server does not serve that version."""
        found = self._find(f"/apis/{group}/{version}")
        return {each["name"] for each in found["resources"]} if found else None

    def group_versions(self, group: str) -> list[str]:
        """The versions of a group that the server serves; none where it does not know the group."""
        found = self._find(f"/apis/{group}")
        return [each["version"] for each in found["versions"]] if found else []

    def data_keys(self, resource: ResourceType, namespace: str, name: str) -> set[str] | None:
        """The keys of a ConfigMap or Secret, or None where there is none. The values are dropped here."""
        found = self.find(resource, namespace, name)
        return None if found is None else set(found.get("data") or {})

    def find(self, resource: ResourceType, namespace: str, name: str) -> Object | None:
        """One object, or None where there is none of that name."""
        return self._find(resource.path(namespace, name))

    def list_all(self, resource: ResourceType, namespace: str, **selectors: str) -> list[Object]:
        """Every object that the selectors (`labelSelector`, `fieldSelector`) match; see `ResourceType.path`."""
        items: list[Object] = self._json("GET", resource.path(namespace), selectors)["items"]
        return items

    def create(self, resource: ResourceType, wanted: Object) -> Object:
        """Create an object and return it as the server stored it; a review comes back with its answer.

        Where the connection broke after the server had created the object, the retry finds it there and recognizes it
        by its annotation.
        """
        metadata = wanted.get("metadata") or {}
        path, query = resource.path(metadata.get("namespace", "")), {"fieldManager": MANAGER}
        if not metadata.get("name"):
            return self._json("POST", path, query, wanted)
        ours = uuid.uuid4().hex
        annotations = {**(metadata.get("annotations") or {}), REQUEST_ANNOTATION: ours}
        try:
            return self._json("POST", path, query, {**wanted, "metadata": {**metadata, "annotations": annotations}})
        except ApiError as error:
            found = self.find(resource, metadata["namespace"], metadata["name"]) if error.status == 409 else None
            if found is None or (found["metadata"].get("annotations") or {}).get(REQUEST_ANNOTATION) != ours:
                raise
            return found

    def apply(self, resource: ResourceType, wanted: Object) -> Object:
        """Server-side apply: the object gets every field of `wanted` and keeps the fields that others set."""
        metadata = wanted["metadata"]
        path = resource.path(metadata["namespace"], metadata["name"])
        query = {"fieldManager": MANAGER, "force": "true"}
        return self._json("PATCH", path, query, wanted, "application/apply-patch+yaml")  # JSON is YAML

    def delete(self, resource: ResourceType, namespace: str, name: str) -> None:
        """Delete an object and everything that belongs to it; an object that is gone already is no error."""
        try:
            self._text("DELETE", resource.path(namespace, name), {"propagationPolicy": "Foreground"})
        except ApiError as error:
            if error.status != 404:
                raise

    def pod_log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False) -> str:
        """The last lines of a container's log; with `previous`, of the container before its last restart."""
        query = {"container": container, "tailLines": str(lines), "previous": str(previous).lower()}
        return self._text("GET", PODS.path(namespace, pod, "log"), query)

    def watch(self, resource: ResourceType, seen: Object, seconds: int) -> Iterator[Object]:
        """Events with `type` and `object`: the changes of an object after the state in which it was seen.

        The events may end early, because a server may break off a watch: the caller then reads the object again.

        Args:
            resource: the object's kind.
            seen: the object as `find`, `apply` or an event gave it.
            seconds: when the server ends the watch.
        """
        metadata = seen["metadata"]
        namespace = metadata["namespace"]
        query = {
            "watch": "true",
            "fieldSelector": f"metadata.name={metadata['name']}",
            "resourceVersion": metadata["resourceVersion"],
            "timeoutSeconds": str(seconds),
        }
        began = self.retry_budget.timeouts.now()
        try:
            yield from self._events(resource.path(namespace), query, seconds)
        except ApiError as error:
            if error.status != HTTP_GONE:
                self.retry_budget.wait_or_raise(error, began)

    def follow(
        self, resource: ResourceType, namespace: str, name: str, deadline: float, watch_s: int
    ) -> Iterator[Object | None]:
        """An object's state after every change and at least every few seconds; None where there is no object.

        Args:
            deadline: when to end, by `time.monotonic`.
            watch_s: how long one watch lasts.
        """
        while time.monotonic() < deadline:
            seen = self.find(resource, namespace, name)
            yield seen
            for event in self.watch(resource, seen, watch_s) if seen else ():
                if event["type"] != "DELETED":  # the next look finds none
                    yield event["object"]

    def _events(self, path: str, query: dict[str, str], seconds: int) -> Iterator[Object]:
        from urllib3.exceptions import HTTPError

        response = self._open("GET", path, query, extra_read_s=seconds)
        rest = b""
        try:
            for chunk in response.stream(None, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                events = [json.loads(line) for line in lines if line.strip()]
                yield from (event for event in events if event["type"] != "ERROR")  # such as a state that is too old
        except (HTTPError, OSError) as error:
            raise ApiError(f"{self.host} broke off while it was watched: {error}.") from error
        finally:
            response.release_conn()

    def _find(self, path: str) -> Object | None:
        try:
            return self._json("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _json(self, *request: Any) -> Object:
        found: Object = self._json_and_headers(*request)[0]
        return found

    def _text(self, *request: Any) -> str:
        return str(self.retry_budget.retry(lambda: self._read(*request))[0].decode(errors="replace"))

    def _json_and_headers(self, *request: Any) -> tuple[Any, Any]:
        def ask() -> tuple[Any, Any]:
            body, headers = self._read(*request)
            try:
                return json.loads(body), headers
            except ValueError as error:
                raise not_an_api_server(self.host) from error

        return self.retry_budget.retry(ask)

    def _read(
        self,
        verb: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "",
    ) -> tuple[bytes, Any]:
        """The whole body and the headers; a body that was cut off counts as no answer."""
        from urllib3.exceptions import HTTPError

        response = self._open(verb, path, query or {}, body, content_type)
        try:
            return response.data, response.headers
        except (HTTPError, OSError) as error:
            raise no_answer_error(self.host, error) from error

    def _open(
        self,
        verb: str,
        path: str,
        query: dict[str, str],
        body: Object | None = None,
        content_type: str = "",
        extra_read_s: float = 0.0,
    ) -> Any:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json, */*", **({"Content-Type": content_type} if content_type else {})}
        self._client.update_params_for_auth(headers, [], ["BearerToken"])
        url = self.host + path + (f"?{urlencode(query)}" if query else "")
        # A pair: the client ignores a single number that is a float, and would then wait for ever.
        limits = self._timeouts.connect_s, self._timeouts.read_s + extra_read_s
        try:
            return self._client.rest_client.request(
                verb, url, headers=headers, body=body, _preload_content=False, _request_timeout=limits
            )
        except ApiException as error:
            raise refused_error(self.host, verb, path, error) from error
        except (HTTPError, OSError) as error:
            raise no_answer_error(self.host, error) from error


def connect(
    context: str = "", retry_budget: RetryBudget | None = None, timeouts: ApiTimeouts | None = None
) -> KubeClient:
    """Connect to the cluster that this process runs in, else to the cluster of the kubeconfig.

    Args:
        context: context of the kubeconfig; empty for the pod's own cluster, or the current context.
        retry_budget: how long a server that is away is waited for; without one, not at all.
        timeouts: limits of one request.

    Raises:
        ConfigError: there is no cluster, or the kubeconfig cannot be used.
    """
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        if not context and os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(configuration)
        else:
            config.load_kube_config(context=context or None, client_configuration=configuration)
    except (config.ConfigException, OSError, ValueError) as error:
        problem = str(error).rstrip(".")
        raise ConfigError(
            f"There is no cluster to talk to: {problem}. Point KUBECONFIG at the file that your cluster gave you; "
            "`kubectl config get-contexts` lists what it holds."
        ) from error
    configuration.retries = False  # the client's own retries would take half a minute for one error, and tell nobody
    return KubeClient(client.ApiClient(configuration), retry_budget or RetryBudget(0.0), timeouts)
