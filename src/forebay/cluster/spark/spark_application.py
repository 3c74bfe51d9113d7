"""The SparkApplication of an ingest, as pure data; the Spark Operator turns it into pods."""

from dataclasses import dataclass

from forebay.ingest.spark.java import JVM_OPTIONS
from forebay.ingest.spark.session import SPARK_SETTINGS
from forebay.kube.custom_job import CustomJob, JobOutcome
from forebay.kube.environment import variables_from_chart
from forebay.kube.labels import DOMAIN, component_labels
from forebay.kube.pod_problems import WorkloadTerms
from forebay.kube.pod_security import restricted_container, restricted_pod
from forebay.kube.resource_types import Object, ResourceType
from forebay.settings.cluster_environment import STORE_ADDRESS_KEYS, STORE_LOGIN_KEYS
from forebay.settings.rules import memory_MiB

SPARK_APPLICATIONS = ResourceType("sparkoperator.k8s.io", "v1beta2", "sparkapplications")
SPARK_VERSION = "4.3.0"  # a test compares it with the installed package
NAME_LABEL = "sparkoperator.k8s.io/app-name"  # the operator sets it on the driver and the executors
ROLE_LABEL = f"{DOMAIN}/job"  # the chart's network policy selects pods by it
ROLE = "ingest"
DRIVER, EXECUTOR = "spark-kubernetes-driver", "spark-kubernetes-executor"  # the operator calls the containers so
DRIVER_MIB = 3072  # as much as the step's pod asks for: the driver does the same work, less the decoding
HEAP_MIB = (512, 1024)  # Java gets a third of a pod's memory, within these bounds; images are in Python's memory
CPU = "250m"  # what a node has to have free, not what a pod may take
# Since Spark 4.3 this would create a network policy, which the operator may not; the chart brings one.
DISABLED_FEATURE = "org.apache.spark.deploy.k8s.features.NetworkPolicyFeatureStep"
REASON_LENGTH = 400  # characters
KEPT_S = 86_400  # how long an application that ended can be looked at


@dataclass(frozen=True, kw_only=True)
class IngestApplication:
    """What differs between one ingest and another."""

    name: str
    namespace: str
    image: str
    pull_secrets: tuple[str, ...] = ()
    account: str  # service account of the pods
    main_file: str  # path of the driver's program in the container image
    work: str  # s3://…, where the driver finds its task
    executors: int
    executor_memory: str  # in Kubernetes' notation


def spark_application(wanted: IngestApplication) -> Object:
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
        # The operator's defaults are written out, because its webhook sets them in chosen namespaces only.
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
                "template": _template(wanted, DRIVER, token=True),  # it creates the executors' pods
            },
            "executor": {
                "instances": wanted.executors,
                **_size(memory_MiB(wanted.executor_memory)),
                "serviceAccount": wanted.account,  # a cloud binds an identity to it
                "template": _template(wanted, EXECUTOR, token=False),
            },
        },
    }


def _settings(wanted: IngestApplication) -> dict[str, str]:
    return {
        **SPARK_SETTINGS,
        # Spark would know the number only once executors run, and the partitions are cut before that.
        "spark.default.parallelism": str(max(2, wanted.executors)),
        "spark.authenticate": "true",  # Spark's ports run what they are sent; the secret is made for each run
        "spark.kubernetes.driver.pod.excludedFeatureSteps": DISABLED_FEATURE,
        "spark.driver.extraJavaOptions": JVM_OPTIONS,
        "spark.executor.extraJavaOptions": JVM_OPTIONS,
        "spark.sql.warehouse.dir": "/tmp/warehouse",  # noqa: S108 - a folder of the pod
    }


def _size(memory: int) -> Object:
    low, high = HEAP_MIB
    heap = min(high, max(low, memory // 3))
    return {"cores": 1, "coreRequest": CPU, "memory": f"{heap}m", "memoryOverhead": f"{memory - heap}m"}


def _template(wanted: IngestApplication, container: str, *, token: bool) -> Object:
    """The pods' template, without what Spark and the operator add: container image, arguments and resources."""
    return {
        "spec": {
            "automountServiceAccountToken": token,
            "enableServiceLinks": False,
            "imagePullSecrets": [{"name": name} for name in wanted.pull_secrets],
            "securityContext": restricted_pod(),
            "containers": [
                {
                    "name": container,
                    "env": variables_from_chart(STORE_ADDRESS_KEYS, STORE_LOGIN_KEYS),
                    "securityContext": restricted_container(),
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        }
    }


def custom_job(application: Object) -> CustomJob:
    """The application as a job to follow."""
    return CustomJob(
        resource=SPARK_APPLICATIONS,
        manifest=application,
        outcome_of=outcome,
        pod_selector=f"{NAME_LABEL}={application['metadata']['name']}",
        terms=WorkloadTerms(
            noun="Spark executor",
            crash="An executor failed",
            size_settings="ingest.executors and ingest.executor_memory",
            memory_setting="ingest.executor_memory",
            crash_by_container={DRIVER: "The Spark driver failed"},
        ),
        installed_by="spark-operator",
        chart_value="spark.enabled",
        log_container=DRIVER,
    )


def outcome(application: Object) -> JobOutcome | None:
    """How an application ended; None while it runs or waits for the operator."""
    state = (application.get("status") or {}).get("applicationState") or {}
    if state.get("state") == "COMPLETED":
        return JobOutcome(succeeded=True)
    if state.get("state") in ("FAILED", "SUBMISSION_FAILED"):
        return JobOutcome(succeeded=False, reason=_reason(str(state.get("errorMessage") or "")))
    return None


def _reason(message: str) -> str:
    """The line that says what went wrong: a failed submission gives a page of Java."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("Exception in thread", "Caused by:", "Error:"))]
    line = (telling or lines or [""])[0]
    _, has_message, message = line.partition(" Message: ")
    reason = message.partition(". Received status")[0] if has_message else line
    return reason if len(reason) <= REASON_LENGTH else f"{reason[:REASON_LENGTH]}…"
