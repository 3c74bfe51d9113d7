"""Pods: the Pod Security Standard "restricted" by rule, and what this project asks beyond it.

Rules of https://kubernetes.io/docs/concepts/security/pod-security-standards/, baseline ones included.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from support.manifest_checks.findings import Finding, Object, Pod, containers, pods

_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
_SECCOMP = ("RuntimeDefault", "Localhost")
_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
}  # fmt: skip

Fault = tuple[str, str]  # field, rule


def check_pod_security(objects: list[Object]) -> list[Finding]:
    """Every pod template keeps "restricted", whatever its namespace enforces.

    A ServingRuntime holds no pod-level context (the InferenceService does), so its containers must say all themselves.
    """
    found = []
    for pod in pods(objects):
        faults = [*_pod_faults(pod)]
        for path, container in containers(pod):
            faults += [(f"{path}.{field}", rule) for field, rule in _container_faults(pod, container)]
        found += [Finding(pod.where, field, rule) for field, rule in faults]
    return found


def check_house_rules(objects: list[Object]) -> list[Finding]:
    """Root file systems are read-only, tokens are not mounted unasked, memory has a limit and CPU a request."""
    found = []
    for pod in pods(objects):
        faults = [*_token_fault(pod)]
        for path, container in containers(pod):
            if not container.get("securityContext", {}).get("readOnlyRootFilesystem"):
                faults.append(
                    (f"{path}.securityContext.readOnlyRootFilesystem", "is not true: give it an emptyDir instead")
                )
            resources = container.get("resources", {})
            for kind, name in (("limits", "memory"), ("requests", "memory"), ("requests", "cpu")):
                if not resources.get(kind, {}).get(name):
                    faults.append(
                        (f"{path}.resources.{kind}.{name}", "is missing: the scheduler and the kernel need it")
                    )
        found += [Finding(pod.where, field, rule) for field, rule in faults]
    return found


def _token_fault(pod: Pod) -> Iterator[Fault]:
    if pod.where.startswith(("ServingRuntime ", "InferenceService ")):
        return  # neither kind has that field in the way that we use it
    if pod.spec.get("automountServiceAccountToken") is not False:
        yield (
            f"{pod.path}.automountServiceAccountToken",
            "is not false: a pod that asks nothing of the API server has no token",
        )


def _pod_faults(pod: Pod) -> Iterator[Fault]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(field):
            yield f"{pod.path}.{field}", "must not be set: the pod would share it with its node"
    for volume in pod.spec.get("volumes", []):
        for kind in sorted(set(volume) - {"name"} - _VOLUMES):
            yield f"{pod.path}.volumes[{volume['name']}].{kind}", "is no volume type that restricted allows"
    context = pod.spec.get("securityContext", {})
    yield from ((f"{pod.path}.securityContext.{field}", rule) for field, rule in _either_faults(context))
    for sysctl in context.get("sysctls", []):
        if sysctl["name"] not in _SYSCTLS:
            yield f"{pod.path}.securityContext.sysctls", f"{sysctl['name']} is no safe sysctl"


def _either_faults(context: Mapping[str, Any]) -> Iterator[Fault]:
    """What may stand in the pod's context and in a container's."""
    if context.get("runAsUser") == 0:
        yield "runAsUser", "is 0, which is root"
    if "seLinuxOptions" in context and set(context["seLinuxOptions"]) & {"user", "role"}:
        yield "seLinuxOptions", "must not set user or role"
    if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in _SECCOMP:
        yield "appArmorProfile", "must be RuntimeDefault or Localhost"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "windowsOptions.hostProcess", "must not be set"


def _container_faults(pod: Pod, container: Mapping[str, Any]) -> Iterator[Fault]:
    context: Mapping[str, Any] = container.get("securityContext", {})
    effective = {**pod.spec.get("securityContext", {}), **context}
    if context.get("allowPrivilegeEscalation") is not False:
        yield "securityContext.allowPrivilegeEscalation", "is not false"
    if context.get("privileged"):
        yield "securityContext.privileged", "must not be set"
    if effective.get("runAsNonRoot") is not True:
        yield "securityContext.runAsNonRoot", "is true neither here nor for the pod"
    if effective.get("seccompProfile", {}).get("type") not in _SECCOMP:
        yield "securityContext.seccompProfile", "is RuntimeDefault or Localhost neither here nor for the pod"
    yield from _capability_faults(context.get("capabilities", {}))
    yield from ((f"securityContext.{field}", rule) for field, rule in _either_faults(context))
    if context.get("procMount", "Default") != "Default":
        yield "securityContext.procMount", "must be Default"
    yield from _host_faults(container)


def _capability_faults(capabilities: Mapping[str, Any]) -> Iterator[Fault]:
    if "ALL" not in capabilities.get("drop", []):
        yield "securityContext.capabilities.drop", "does not hold ALL"
    for added in sorted(set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}):
        yield "securityContext.capabilities.add", f"must not hold {added}"


def _host_faults(container: Mapping[str, Any]) -> Iterator[Fault]:
    for port in container.get("ports", []):
        if port.get("hostPort"):
            yield "ports", f"hostPort {port['hostPort']} must not be set"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        for how in ("httpGet", "tcpSocket"):
            if container.get(probe, {}).get(how, {}).get("host"):
                yield f"{probe}.{how}.host", "must not be set: the node would ask it"
