"""The checks that the probe's pod runs (`python3 -m forebay.cluster.checks.in_pod`), with all that a step is given."""

import base64
import json
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from forebay.backend.check import CheckResult, failed, passed
from forebay.cluster.checks import clock
from forebay.cluster.checks.step_environment import STORE_VARIABLES
from forebay.errors import ConfigError
from forebay.object_store import CHECK_TIMEOUTS, ObjectLocation, parse_uri
from forebay.object_store.access import StoreAccessError, StoreRefusedError, check_listing
from forebay.object_store.variables import ENDPOINT_VARIABLES
from forebay.settings import cluster_environment
from forebay.settings.environment import API_CERTIFICATE_VARIABLE
from forebay.state.mask import without_passwords

OUTPUT_KEY = "forebay_doctor"  # the key of the line that the probe prints
TIMEOUT_S = 5.0
(MLFLOW,), (USER, PASSWORD) = cluster_environment.MLFLOW_ADDRESS_KEYS, cluster_environment.MLFLOW_LOGIN_KEYS
CHART_FIX = (
    f"The chart writes the ConfigMap and the Secret {cluster_environment.STEP_ENVIRONMENT}: `forebay up` installs them "
    "again."
)
NETWORK_FIX = (
    "See that its pods run (`kubectl get pods --namespace forebay`), and that no NetworkPolicy keeps those of this "
    "namespace from it."
)


def main() -> None:
    """Print the results of all checks as one line of JSON."""
    print(json.dumps({OUTPUT_KEY: [asdict(result) for result in pod_checks()]}))


def pod_checks() -> Iterator[CheckResult]:
    """All checks from inside the cluster: DNS, buckets, MLflow, clock."""
    yield _dns()
    yield from _buckets()
    yield _mlflow(os.environ.get(MLFLOW, "").rstrip("/"))
    yield _clock()


def _dns() -> CheckResult:
    endpoints = [os.environ.get(name, "") for name in (MLFLOW, *ENDPOINT_VARIABLES)]
    hosts = sorted({host for each in endpoints if (host := urlsplit(each).hostname)})
    unknown = []
    for host in hosts:
        try:
            socket.getaddrinfo(host, None)
        except OSError as error:
            unknown.append(f"{host} ({error.strerror})")
    if not unknown:
        return passed("dns", f"{', '.join(hosts) or 'no name'} resolved")
    return failed(
        "dns",
        f"{', '.join(unknown)} cannot be resolved",
        "See that the cluster's DNS runs (`kubectl get pods --namespace kube-system`), and that a service of that "
        "name exists.",
    )


def _buckets() -> Iterator[CheckResult]:
    """One check for each bucket; several stores may share one."""
    seen = set()
    for variable in STORE_VARIABLES:
        uri = os.environ.get(variable, "")
        if not uri:
            yield failed("s3", f"{variable} is not set", CHART_FIX)
            continue
        try:
            bucket = parse_uri(uri, variable).bucket
        except ConfigError as error:
            yield failed("s3", str(error), CHART_FIX)
            continue
        if bucket not in seen:
            yield _bucket(bucket, uri)
        seen.add(bucket)


def _bucket(bucket: str, uri: str) -> CheckResult:
    start = time.monotonic()
    try:
        endpoint = check_listing(ObjectLocation(bucket, ""), CHECK_TIMEOUTS)
    except StoreRefusedError as error:
        return _bucket_refused(bucket, error.endpoint, error.code)
    except StoreAccessError as error:
        return failed("s3", f"{uri} cannot be reached: {error}", f"Correct AWS_ENDPOINT_URL. {CHART_FIX} {NETWORK_FIX}")
    took_ms = (time.monotonic() - start) * 1000
    return passed("s3", f"{endpoint} lists the bucket {bucket}, {took_ms:.0f} ms")


def _bucket_refused(bucket: str, where: str, code: str) -> CheckResult:
    if code in ("NoSuchBucket", "404"):
        return failed(
            "s3", f"{where} has no bucket {bucket}", "Make it, or name another (buckets in the values of the chart)."
        )
    return failed(
        "s3",
        f"{where} refuses to list the bucket {bucket} ({code})",
        "Correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give their owner the right to list that bucket. "
        f"{CHART_FIX}",
    )


def _mlflow(uri: str) -> CheckResult:
    shown = without_passwords(uri)
    if not uri:
        return failed("mlflow", f"{MLFLOW} is not set", CHART_FIX)
    login = base64.b64encode(f"{os.environ.get(USER, '')}:{os.environ.get(PASSWORD, '')}".encode()).decode()
    start = time.monotonic()
    try:
        _date_of_answer(f"{uri}/health", {})
        _date_of_answer(f"{uri}/api/2.0/mlflow/experiments/search?max_results=1", {"Authorization": f"Basic {login}"})
    except urllib.error.HTTPError as error:
        return _mlflow_refused(shown, error.code)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return failed("mlflow", f"{shown} does not answer: {reason}", NETWORK_FIX)
    took_ms = (time.monotonic() - start) * 1000
    return passed("mlflow", f"{shown} answers and knows the login, {took_ms:.0f} ms")


def _mlflow_refused(shown: str, code: int) -> CheckResult:
    if code == 401:
        return failed(
            "mlflow",
            f"{shown} refuses the login of the Secret {cluster_environment.STEP_ENVIRONMENT}",
            "The chart's job forebay-mlflow-runner sets it: `forebay up` runs it again.",
        )
    if code == 403:
        fix = "Name that host in mlflow.allowedHosts of the chart's values; MLflow refuses others."
        return failed("mlflow", f"{shown} answers 403", fix)
    fix = "`kubectl logs deployment/forebay-mlflow --namespace forebay` says why."
    return failed("mlflow", f"{shown} answers {code}", fix)


def _clock() -> CheckResult:
    """Compare the pod's clock with the API server's, whose time is in every answer, so that no token is needed."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    address = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    try:
        date = _date_of_answer(f"{address}/version", {}, os.environ.get(API_CERTIFICATE_VARIABLE))
    except urllib.error.HTTPError as error:
        date = error.headers.get("Date")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return failed(
            "pod clock",
            f"a step could not reach the API server at {address}: {reason}",
            "Deploy needs it: see that no NetworkPolicy keeps pods of this namespace from it.",
        )
    return clock.compare_clocks("pod clock", "a pod", datetime.now(UTC), parsedate_to_datetime(date) if date else None)


def _date_of_answer(url: str, headers: dict[str, str], certificate: str | None = None) -> str | None:
    """Ask a server, and return the Date of its answer."""
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http(s) of the chart's, and the API server
    context = ssl.create_default_context(cafile=certificate) if certificate else None
    with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=context) as answer:  # noqa: S310
        answer.read()
        date: str | None = answer.headers.get("Date")
        return date


if __name__ == "__main__":
    main()
