"""What an ingest with executors may ask an API server for, as data: the chart grants it with spark.enabled."""

from forebay.cluster.spark.spark_application import SPARK_APPLICATIONS
from forebay.kube.access import AccessRule, job_access

STEP_ACCESS = job_access(SPARK_APPLICATIONS.group, SPARK_APPLICATIONS.plural)  # for the pipelines' service account
# For the driver's service account: Spark's scheduler for Kubernetes (4.3) does this. Its client deletes by label, and
# needs list and deletecollection for that.
DRIVER_ACCESS = (
    AccessRule("", "pods", ("get", "list", "watch", "create", "delete", "deletecollection"), "run executors"),
    AccessRule("", "configmaps", ("list", "create", "delete", "deletecollection"), "hand them their settings"),
    AccessRule("", "services", ("list", "delete", "deletecollection"), "remove its own at the end"),
    AccessRule(
        "", "persistentvolumeclaims", ("list", "delete", "deletecollection"), "Spark looks for those it might own"
    ),
)
