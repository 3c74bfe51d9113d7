"""Checks of Kubernetes objects without a cluster, whoever rendered them: Helm, Kustomize or our own code.

Each check takes a list of objects and returns findings; none means that it holds.
"""

from support.manifest_checks.custom import check_custom
from support.manifest_checks.findings import Finding, Object, Pod, pods, where
from support.manifest_checks.images import check_images
from support.manifest_checks.pod_security import check_house_rules, check_pod_security
from support.manifest_checks.ports import check_service_ports
from support.manifest_checks.references import check_references
from support.manifest_checks.roles import check_roles, check_wildcards
from support.manifest_checks.schema import check_schema, check_unique
from support.manifest_checks.secrets import check_secret_keys
from support.manifest_checks.selectors import check_selectors
from support.manifest_checks.upgrade import check_upgrade, kept

__all__ = [
    "Finding",
    "Object",
    "Pod",
    "check_custom",
    "check_house_rules",
    "check_images",
    "check_pod_security",
    "check_references",
    "check_roles",
    "check_schema",
    "check_secret_keys",
    "check_selectors",
    "check_service_ports",
    "check_unique",
    "check_upgrade",
    "check_wildcards",
    "kept",
    "pods",
    "where",
]
