"""The API server in a few verbs, with errors that say what to do. Objects are plain maps, as they stand in YAML."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from forebay.errors import ConfigError, ForebayError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, ApiException

Object = dict[str, Any]
FIELD_MANAGER = "forebay"
CONNECT_S = 10.0
TIMEOUT_S = 30.0  # of one request; a watch has its own
_WHERE = re.compile(r"^(<[^>]*>|\w+\(.*?\)): ")  # what urllib3 puts before its words: an object of its own


class ApiError(ForebayError):
    """The API server refused, or none answers."""

    def __init__(self, text: str, status: int = 0, said: str = "") -> None:
        super().__init__(text)
        self.status = status  # of HTTP; 0 where nothing answered
        self.said = said or text  # the server's own words

    @property
    def is_about_rights(self) -> bool:
        """Whether it says that somebody may not; quota, Pod Security and absent accounts are refused as 403 as well."""
        return self.status == 403 and " cannot " in self.said


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


PASSING = (0, 429, 500, 502, 503, 504)  # answers of a server that is restarted or overloaded; 0 is none at all
SILENT_S = 120.0  # of a server that is away, before what runs meanwhile is given up


class Patience:
    """Bears an API server that is away for a moment: what it runs goes on meanwhile."""

    def __init__(self, tell: Callable[[str], None], what: str, pause_s: float) -> None:
        self._tell, self._what, self._pause_s = tell, what, pause_s
        self._since: float | None = None

    def bear(self, error: ApiError) -> None:
        """Wait a moment; raises the error where it does not pass, or lasts."""
        if error.status not in PASSING:
            raise error
        now = time.monotonic()
        if self._since is None:
            self._since = now
            self._tell(f"{error} {self._what} goes on meanwhile.")
        if now - self._since > SILENT_S:
            raise error
        time.sleep(self._pause_s)

    def over(self) -> None:
        """It answers again."""
        self._since = None


class Api:
    """A connection. Every method raises `ApiError`."""

    def __init__(self, client: "ApiClient") -> None:
        self._client = client

    @property
    def host(self) -> str:
        """Where it is, such as https://10.0.0.1:443."""
        return str(self._client.configuration.host)

    def server(self) -> Server:
        """Its version and its clock; whoever is known at all may ask."""
        response = self._open("GET", "/version", {})
        try:
            said = json.loads(response.data)
            version = int(said["major"]), int(re.sub(r"\D.*", "", said["minor"]))  # some clouds write 33+
        except (ValueError, KeyError, TypeError) as error:
            raise ApiError(
                f"{self.host} answers, and not as a Kubernetes API server does. Is this the address in the kubeconfig "
                "that your cluster gave you?"
            ) from error
        date = response.headers.get("Date")
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
        items: list[Object] = json.loads(self._ask("GET", resource.path(namespace), selectors))["items"]
        return items

    def create(self, resource: Resource, wanted: Object) -> Object:
        """A new object as the server made it; of a review, such as a SelfSubjectAccessReview, the answer."""
        path = resource.path((wanted.get("metadata") or {}).get("namespace", ""))
        made: Object = json.loads(self._ask("POST", path, {"fieldManager": FIELD_MANAGER}, wanted))
        return made

    def apply(self, resource: Resource, wanted: Object) -> Object:
        """Server-side apply: afterwards the object has every field of `wanted`, and what others set stays."""
        metadata = wanted["metadata"]
        applied: Object = json.loads(
            self._ask(
                "PATCH",
                resource.path(metadata["namespace"], metadata["name"]),
                {"fieldManager": FIELD_MANAGER, "force": "true"},
                wanted,
                "application/apply-patch+yaml",  # JSON is YAML
            )
        )
        return applied

    def delete(self, resource: Resource, namespace: str, name: str) -> None:
        """Delete an object with all that belongs to it; nothing where it is gone already."""
        try:
            self._ask("DELETE", resource.path(namespace, name), {"propagationPolicy": "Foreground"})
        except ApiError as error:
            if error.status != 404:
                raise

    def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False) -> str:
        """The last lines of a container's log; of the one before its last restart where `previous`."""
        words = {"container": container, "tailLines": str(lines), "previous": str(previous).lower()}
        return self._ask("GET", PODS.path(namespace, pod, "log"), words)

    def watch(self, resource: Resource, seen: Object, seconds: int) -> Iterator[Object]:
        """What becomes of an object, after the state in which it was seen: events with `type` and `object`.

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
        from urllib3.exceptions import HTTPError

        response = self._open("GET", resource.path(namespace), query, longer_s=seconds)
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

    def _find(self, path: str) -> Object | None:
        try:
            found: Object = json.loads(self._ask("GET", path))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    def _ask(
        self, verb: str, path: str, query: dict[str, str] | None = None, body: Object | None = None, of: str = ""
    ) -> str:
        response = self._open(verb, path, query or {}, body, of)
        return str(response.data.decode(errors="replace"))

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
            raise _refused(self.host, verb, path, error) from error
        except (HTTPError, OSError) as error:
            words = _WHERE.sub("", str(error)).rstrip(".")
            raise ApiError(
                f"{self.host} does not answer: {words}. Is the cluster up, and is this its address?"
            ) from error


def connect(context: str = "") -> Api:
    """The cluster that this process runs in, else that of the kubeconfig.

    Args:
        context: of the kubeconfig; empty for the pod's own cluster, or the current context.

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
    configuration.retries = False  # its own tries would make one error take half a minute
    return Api(client.ApiClient(configuration))


def _refused(host: str, verb: str, path: str, error: "ApiException") -> ApiError:
    """What the server says, and what to do about it."""
    said = _message(error)
    if error.status == 401:
        fix = "The token is not valid or has expired: log in again, or give the pod its service account back."
    elif error.status == 403:
        fix = "Ask for that right; the chart grants it to the pipelines' service account in the models' namespace."
    elif error.status in (400, 422):
        fix = "The object breaks a rule of the cluster's; an older or newer KServe may have other fields."
    elif error.status == 404:
        fix = "Does this cluster have what `forebay up` installs, and is this the namespace?"
    else:
        fix = "Try again; the cluster's administrator sees more in the API server's log."
    return ApiError(f"{host} answers {error.status} to {verb} {path}: {said}. {fix}", int(error.status or 0), said)


def _message(error: "ApiException") -> str:
    try:
        status = json.loads(error.body or "")
    except (ValueError, TypeError):
        return str(error.reason or "nothing").rstrip(".")
    return str(status.get("message") if isinstance(status, dict) else status).rstrip(".")
