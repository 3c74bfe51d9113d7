"""Names by which an installation is found again in a cluster: release, kind cluster, labels and annotations."""

from forebay.settings.namespaces import PLATFORM

RELEASE = PLATFORM  # the chart's release, and its namespace
KIND_CLUSTER = "forebay"
KIND_CONTEXT = f"kind-{KIND_CLUSTER}"
PIECE_LABEL = "forebay.dev/piece"  # on every object of manifests/: the piece that it belongs to
KEPT_ANNOTATION = "forebay.dev/kept"  # on a namespace older than `up`: the Pod Security levels that it had before
SECURITY_LABEL = "pod-security.kubernetes.io/"
SECURITY_MODES = ("enforce", "warn")  # the ones that manifests/base/namespace.yaml sets
HELM_LABEL = f"app.kubernetes.io/instance={RELEASE}"  # on everything that the chart makes
