"""The API server in a few verbs, with errors that say what to do. Objects are plain maps, as they stand in YAML."""

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
from forebay.kube import retries
from forebay.kube.api_errors import ApiError as ApiError
from forebay.kube.api_errors import no_api_server, refused, unanswered
from forebay.kube.labels import DOMAIN, MANAGER
from forebay.kube.retries import Patience

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Object = dict[str, Any]
Result = TypeVar("Result")
CONNECT_S = 10.0
TIMEOUT_S = 30.0  # of one request; a watch has its own
REQUEST = f"{DOMAIN}/request"  # annotation: by which an object is known for the one that a call made
EXPIRED = 410  # of HTTP: what is to be watched from is no longer known


@dataclass(frozen=True)
class Resource:
    """A kind of object as the API server's paths name it."""

    group: str  # empty for the core one
    version: str
    plural: str

    def path(self, namespace: str = "", name: str = "", part: str = "") -> str:
        """The path of all of them in a namespace, of one, or of a part of one such as its log.

        Without a namespace that of a kind that lives in none, or of all namespaces together.
        """
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        space = f"/namespaces/{namespace}" if namespace else ""
        return "/".join(filter(None, (f"{root}{space}/{self.plural}", name, part)))


@dataclass(frozen=True)
class Server:
    """What an API server says of itself."""

    version: tuple[int, int]
    release: str  # the version in full, such as v1.33.1-gke.100
    now: datetime | None  # by its clock, to the second; None where a proxy swallowed the header


PODS = Resource("", "v1", "pods")
EVENTS = Resource("", "v1", "events")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
WHO = Resource("authentication.k8s.io", "v1", "selfsubjectreviews")
INFERENCE_SERVICES = Resource("serving.kserve.io", "v1beta1", "inferenceservices")


class Api:
    """A connection. Every method raises `ApiError`: of what does not pass, or lasts longer than is borne."""

    def __init__(self, client: "ApiClient", bears: Patience) -> None:
        self._client = client
        self.patience = bears

    @property
    def host(self) -> str:
        """Where it is, such as https://10.0.0.1:443."""
        return str(self._client.configuration.host)

    def bearing(self, bears_s: float) -> "Api":
        """The same connection for what can be done without: it waits no longer than that for a server."""
        return Api(self._client, Patience(bears_s, lambda text: None))

    def together(self, act: "Callable[[Api], Result]") -> Result:
        """Several calls of which each is right only as long as those before it are: all are made anew where one fails.

        Args:
            act: makes them, on the connection that it is given.
        """
        return self.patience.insist(lambda: act(self.bearing(0.0)))

    def server(self) -> Server:
        """Its version and its clock; whoever is known at all may ask."""
        said, headers = self._asked("GET", "/version")
        try:
            version = int(said["major"]), int(re.sub(r"\D.*", "", said["minor"]))  # some clouds write 33+
        except (ValueError, KeyError, TypeError) as error:
            raise no_api_server(self.host) from error
        date = headers.get("Date")
        return Server(version, str(said.get("gitVersion", "")), parsedate_to_datetime(date) if date else None)

    def user(self) -> str:
        """Whom it takes this connection for."""
        return str(self.create(WHO, {})["status"]["userInfo"]["username"])

    def kinds(self, group: str, version: str) -> set[str] | None:
        """Plural names of the kinds that it serves of a group in a version; None where it does not serve that."""
        found = self._find(f"/apis/{group}/{version}")
        return {each["name"] for each in found["resources"]} if found else None

    def versions(self, group: str) -> list[str]:
        """The versions of a group that it serves; none where it does not know the group."""
        found = self._find(f"/apis/{group}")
        return [each["version"] for each in found["versions"]] if found else []

    def keys(self, resource: Resource, namespace: str, name: str) -> set[str] | None:
        """The keys of a ConfigMap or a Secret, or None where there is none; what stands under them is let go here."""
        found = self.find(resource, namespace, name)
        return None if found is None else set(found.get("data") or {})

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """One object, or None where there is none of that name."""
        return self._find(resource.path(namespace, name))

    def all(self, resource: Resource, namespace: str, **selectors: str) -> list[Object]:
        """Every object that the selectors (`labelSelector`, `fieldSelector`) let through; see `Resource.path`."""
        items: list[Object] = self._json("GET", resource.path(namespace), selectors)["items"]
        return items

    def create(self, resource: Resource, wanted: Object) -> Object:
        """A new object as the server made it; of a review, such as a SelfSubjectAccessReview, the answer.

        Where the server broke off and has made it all the same, the next try meets it, and knows it by its annotation.
        """
        metadata = wanted.get("metadata") or {}
        path, query = resource.path(metadata.get("namespace", "")), {"fieldManager": MANAGER}
        if not metadata.get("name"):
            return self._json("POST", path, query, wanted)
        ours = uuid.uuid4().hex
        annotations = {**(metadata.get("annotations") or {}), REQUEST: ours}
        try:
            return self._json("POST", path, query, {**wanted, "metadata": {**metadata, "annotations": annotations}})
        except ApiError as error:
            found = self.find(resource, metadata["namespace"], metadata["name"]) if error.status == 409 else None
            if found is None or (found["metadata"].get("annotations") or {}).get(REQUEST) != ours:
                raise
            return found

    def apply(self, resource: Resource, wanted: Object) -> Object:
        """Server-side apply: afterwards the object has every field of `wanted`, and what others set stays."""
        metadata = wanted["metadata"]
        path = resource.path(metadata["namespace"], metadata["name"])
        query = {"fieldManager": MANAGER, "force": "true"}
        return self._json("PATCH", path, query, wanted, "application/apply-patch+yaml")  # JSON is YAML

    def delete(self, resource: Resource, namespace: str, name: str) -> None:
        """Delete an object with all that belongs to it; nothing where it is gone already."""
        try:
            self._text("DELETE", resource.path(namespace, name), {"propagationPolicy": "Foreground"})
        except ApiError as error:
            if error.status != 404:
                raise

    def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False) -> str:
        """The last lines of a container's log; of the one before its last restart where `previous`."""
        words = {"container": container, "tailLines": str(lines), "previous": str(previous).lower()}
        return self._text("GET", PODS.path(namespace, pod, "log"), words)

    def watch(self, resource: Resource, seen: Object, seconds: int) -> Iterator[Object]:
        """What becomes of an object, after the state in which it was seen: events with `type` and `object`.

        It ends early where the server breaks off: who watches looks again.

        Args:
            resource: its kind.
            seen: the object, as `find`, `apply` or an event gave it.
            seconds: after which the server ends.
        """
        metadata = seen["metadata"]
        namespace = metadata["namespace"]
        query = {
            "watch": "true",
            "fieldSelector": f"metadata.name={metadata['name']}",
            "resourceVersion": metadata["resourceVersion"],
            "timeoutSeconds": str(seconds),
        }
        began = retries.now()
        try:
            yield from self._events(resource.path(namespace), query, seconds)
        except ApiError as error:
            if error.status != EXPIRED:
                self.patience.bear(error, began)

    def states(
        self, resource: Resource, namespace: str, name: str, end: float, slice_s: int
    ) -> Iterator[Object | None]:
        """An object as it is, after every change and at least every few seconds; None where there is none.

        Args:
            end: when to give up, by `time.monotonic`.
            slice_s: how long one watch lasts.
        """
        while time.monotonic() < end:
            seen = self.find(resource, namespace, name)
            yield seen
            for event in self.watch(resource, seen, slice_s) if seen else ():
                if event["type"] != "DELETED":  # the next look finds none
                    yield event["object"]

    def _events(self, path: str, query: dict[str, str], seconds: int) -> Iterator[Object]:
        from urllib3.exceptions import HTTPError

        response = self._open("GET", path, query, longer_s=seconds)
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

    def _json(self, *words: Any) -> Object:
        said: Object = self._asked(*words)[0]
        return said

    def _text(self, *words: Any) -> str:
        return str(self.patience.insist(lambda: self._read(*words))[0].decode(errors="replace"))

    def _asked(self, *words: Any) -> tuple[Any, Any]:
        """An answer and its headers."""

        def ask() -> tuple[Any, Any]:
            body, headers = self._read(*words)
            try:
                return json.loads(body), headers
            except ValueError as error:
                raise no_api_server(self.host) from error

        return self.patience.insist(ask)

    def _read(
        self, verb: str, path: str, query: dict[str, str] | None = None, body: Object | None = None, of: str = ""
    ) -> tuple[bytes, Any]:
        """The whole answer: where it is cut off, none was given."""
        from urllib3.exceptions import HTTPError

        response = self._open(verb, path, query or {}, body, of)
        try:
            return response.data, response.headers
        except (HTTPError, OSError) as error:
            raise unanswered(self.host, error) from error

    def _open(
        self,
        verb: str,
        path: str,
        query: dict[str, str],
        body: Object | None = None,
        of: str = "",
        longer_s: float = 0.0,
    ) -> Any:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json, */*", **({"Content-Type": of} if of else {})}
        self._client.update_params_for_auth(headers, [], ["BearerToken"])
        url = self.host + path + (f"?{urlencode(query)}" if query else "")
        limits = (
            CONNECT_S,
            TIMEOUT_S + longer_s,
        )  # of a single number that is no int the client would make no limit at all
        try:
            return self._client.rest_client.request(
                verb, url, headers=headers, body=body, _preload_content=False, _request_timeout=limits
            )
        except ApiException as error:
            raise refused(self.host, verb, path, error) from error
        except (HTTPError, OSError) as error:
            raise unanswered(self.host, error) from error


def connect(context: str = "", bears: Patience | None = None) -> Api:
    """The cluster that this process runs in, else that of the kubeconfig.

    Args:
        context: of the kubeconfig; empty for the pod's own cluster, or the current context.
        bears: a server that is away; none where it is not given.

    Raises:
        ConfigError: there is neither, or the kubeconfig cannot be used.
    """
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        if not context and os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(configuration)
        else:
            config.load_kube_config(context=context or None, client_configuration=configuration)
    except (config.ConfigException, OSError, ValueError) as error:
        words = str(error).rstrip(".")
        raise ConfigError(
            f"There is no cluster to talk to: {words}. Point KUBECONFIG at the file that your cluster gave you; "
            "`kubectl config get-contexts` lists what it holds."
        ) from error
    configuration.retries = False  # its own tries would make one error take half a minute, and tell nobody
    return Api(client.ApiClient(configuration), bears or Patience(0.0))
