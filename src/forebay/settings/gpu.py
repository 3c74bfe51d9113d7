"""What a cluster calls a GPU: the resource that a device plugin offers on a node."""

from forebay.settings.rules import SettingRule, matching

GPU_RESOURCE = "nvidia.com/gpu"  # a whole GPU; a MIG slice is nvidia.com/mig-1g.10gb and the like


def gpu_resource_rule() -> SettingRule:
    """Accept the name of an extended resource of Kubernetes."""
    return matching(r"[a-z0-9.-]+/[A-Za-z0-9_.-]+", GPU_RESOURCE)
