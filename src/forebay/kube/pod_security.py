"""What Pod Security `restricted` asks of a pod, with a root file system that nobody may write."""

from typing import Any


def restricted_pod() -> dict[str, Any]:
    """The `securityContext` of a pod."""
    return {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def restricted_container() -> dict[str, Any]:
    """The `securityContext` of each of its containers."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
