"""The SparkApplication of an ingest, as pure data; the Spark Operator turns it into pods."""

from dataclasses import dataclass
from typing import Any

from forebay.ingest.spark.session import JVM_OPTIONS, SETTINGS
from forebay.kube.client import Resource
from forebay.kube.environment import variables
from forebay.kube.followed_resource import Job, Verdict
from forebay.kube.labels import DOMAIN, component_labels
from forebay.kube.pod_problems import Subject
from forebay.kube.pod_security import restricted_container, restricted_pod
from forebay.settings.cluster_environment import STORE, STORE_KEYS
from forebay.settings.rules import memory_MiB

Object = dict[str, Any]
SPARK_APPLICATIONS = Resource("sparkoperator.k8s.io", "v1beta2", "sparkapplications")
SPARK_VERSION = "4.3.0"  # of the image; a test holds it equal to the package's
NAME_LABEL = "sparkoperator.k8s.io/app-name"  # the operator gives it to driver and executors
ROLE_LABEL = f"{DOMAIN}/job"  # by it the chart's network policy knows them
ROLE = "ingest"
DRIVER, EXECUTOR = "spark-kubernetes-driver", "spark-kubernetes-executor"  # containers, as the operator calls them
DRIVER_MIB = 3072  # as much as the step's own pod asks for: it does what that does, less the decoding
HEAP_MIB = (512, 1024)  # of a pod's memory, a third within these bounds is Java's; the images are in Python's
CPU = "250m"  # what a node has to have free, not what a pod may take
# Of Spark 4.3 on: it would make a network policy, which the operator may not; the chart has one.
NOT_WANTED = "org.apache.spark.deploy.k8s.features.NetworkPolicyFeatureStep"
REASON = 400  # letters of it; a submission that failed gives a page of Java
KEPT_S = 86_400  # how long an application that ended can be looked at


@dataclass(frozen=True, kw_only=True)
class Application:
    """What differs between one ingest and another."""

    name: str
    namespace: str
    image: str
    pull_secrets: tuple[str, ...] = ()
    account: str  # service account of the pods
    main_file: str  # path of the driver's program in the image
    work: str  # s3://…, where the driver finds its task
    executors: int
    executor_memory: str  # in Kubernetes' notation


def spark_application(wanted: Application) -> Object:
    """Build the object: non-root, without capabilities, with a read-only root, each pod with the store's keys."""
    return {
        "apiVersion": f"{SPARK_APPLICATIONS.group}/{SPARK_APPLICATIONS.version}",
        "kind": "SparkApplication",
        "metadata": {
            "name": wanted.name,
            "namespace": wanted.namespace,
            "labels": {
                **component_labels("ingest"),
                ROLE_LABEL: ROLE,  # the operator hands labels on to the pods
            },
        },
        # Written out where the operator has defaults: its webhook, which sets them, looks at chosen namespaces only.
        "spec": {
            "type": "Python",
            "mode": "cluster",
            "sparkVersion": SPARK_VERSION,
            "image": wanted.image,
            "imagePullPolicy": "IfNotPresent",
            "mainApplicationFile": f"local://{wanted.main_file}",
            "arguments": [wanted.work],
            "restartPolicy": {"type": "Never"},  # Kubeflow Pipelines tries the whole step again
            "timeToLiveSeconds": KEPT_S,
            "sparkConf": _settings(wanted),
            "driver": {
                **_size(DRIVER_MIB),
                "serviceAccount": wanted.account,
                "template": _template(wanted, DRIVER, token=True),  # it makes the executors' pods
            },
            "executor": {
                "instances": wanted.executors,
                **_size(memory_MiB(wanted.executor_memory)),
                "serviceAccount": wanted.account,  # the cloud's identity hangs on it
                "template": _template(wanted, EXECUTOR, token=False),
            },
        },
    }


def _settings(wanted: Application) -> dict[str, str]:
    return {
        **SETTINGS,
        # Else known only once executors are there, and the parts are cut before.
        "spark.default.parallelism": str(max(2, wanted.executors)),
        "spark.authenticate": "true",  # Spark's ports run what they are sent; the secret is made for each run
        "spark.kubernetes.driver.pod.excludedFeatureSteps": NOT_WANTED,
        "spark.driver.extraJavaOptions": JVM_OPTIONS,
        "spark.executor.extraJavaOptions": JVM_OPTIONS,
        "spark.sql.warehouse.dir": "/tmp/warehouse",  # noqa: S108 - the pod's own
    }


def _size(memory: int) -> Object:
    low, high = HEAP_MIB
    heap = min(high, max(low, memory // 3))
    return {"cores": 1, "coreRequest": CPU, "memory": f"{heap}m", "memoryOverhead": f"{memory - heap}m"}


def _template(wanted: Application, container: str, *, token: bool) -> Object:
    """What Spark and the operator add themselves is left out: image, arguments, resources."""
    return {
        "spec": {
            "automountServiceAccountToken": token,
            "enableServiceLinks": False,
            "imagePullSecrets": [{"name": name} for name in wanted.pull_secrets],
            "securityContext": restricted_pod(),
            "containers": [
                {
                    "name": container,
                    "env": variables(STORE, STORE_KEYS),
                    "securityContext": restricted_container(),
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        }
    }


def job_of(application: Object) -> Job:
    """How to follow it."""
    return Job(
        resource=SPARK_APPLICATIONS,
        wanted=application,
        verdict=verdict,
        pods=f"{NAME_LABEL}={application['metadata']['name']}",
        subject=Subject(
            noun="Spark executor",
            crash="An executor failed",
            room="ingest.executors and ingest.executor_memory",
            memory="ingest.executor_memory",
            containers={DRIVER: "The Spark driver failed"},
        ),
        piece="spark-operator",
        switch="spark.enabled",
        speaker=DRIVER,
    )


def verdict(application: Object) -> Verdict | None:
    """How an application ended; None while it runs, or while the operator has not seen it yet."""
    state = (application.get("status") or {}).get("applicationState") or {}
    if state.get("state") == "COMPLETED":
        return Verdict(succeeded=True)
    if state.get("state") in ("FAILED", "SUBMISSION_FAILED"):
        return Verdict(succeeded=False, reason=_reason(str(state.get("errorMessage") or "")))
    return None


def _reason(message: str) -> str:
    """The line of it that says what went wrong, where it is a page."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("Exception in thread", "Caused by:", "Error:"))]
    said = (telling or lines or [""])[0]
    _, marked, words = said.partition(" Message: ")
    words = words.partition(". Received status")[0] if marked else said
    return words if len(words) <= REASON else f"{words[:REASON]}…"
