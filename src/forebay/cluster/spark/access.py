"""What an ingest with executors asks of a cluster's API server, as data: the chart grants it with spark.enabled."""

from forebay.cluster.spark.spark_application import SPARK_APPLICATIONS
from forebay.kube.access import Access, of_job

STEP_ACCESS = of_job(SPARK_APPLICATIONS.group, SPARK_APPLICATIONS.plural)  # of the pipelines' service account
# Of the driver's service account, by what Spark's scheduler for Kubernetes does (4.3). Its client deletes by label, for
# which it lists and asks for deletecollection.
DRIVER_ACCESS = (
    Access("", "pods", ("get", "list", "watch", "create", "delete", "deletecollection"), "run executors"),
    Access("", "configmaps", ("list", "create", "delete", "deletecollection"), "hand them their settings"),
    Access("", "services", ("list", "delete", "deletecollection"), "remove its own at the end"),
    Access("", "persistentvolumeclaims", ("list", "delete", "deletecollection"), "Spark looks for those it might own"),
)
