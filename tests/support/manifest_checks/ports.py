"""Ports: what a Service, a probe, a policy or a monitor names is opened by the container behind it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from support.manifest_checks.findings import Finding, Object, Pod, containers, namespace, pods, where
from support.manifest_checks.selectors import matches, peer_namespace


def check_service_ports(objects: list[Object], made_elsewhere: Iterable[Pod] = ()) -> list[Finding]:
    """Every port that is named somewhere is opened by a container of the pods that are meant."""
    everything = [*pods(objects), *made_elsewhere]
    found = [finding for pod in everything for finding in _probes(pod)]
    for each in objects:
        match each["kind"]:
            case "Service":
                found += _of_service(each, everything)
            case "NetworkPolicy":
                found += _of_policy(each, everything)
            case "ServiceMonitor":
                found += _of_monitor(each, objects)
    return found


def opened(pod: Pod) -> set[str | int]:
    """Numbers and names of the ports that its containers open."""
    ports = [port for _, container in containers(pod) for port in container.get("ports", [])]
    return {port["containerPort"] for port in ports} | {port["name"] for port in ports if "name" in port}


def _missing(port: Any, there: list[Pod]) -> str | None:
    """In words what is wrong where one of these pods does not open the port."""
    for pod in there:
        if port not in opened(pod):
            return f"{port!r} is opened by no container of {pod.where}, which opens {_listed(opened(pod))}"
    return None


def _of_service(each: Object, everything: list[Pod]) -> Iterator[Finding]:
    selector = {"matchLabels": each["spec"].get("selector", {})}
    behind = [p for p in everything if p.namespace == namespace(each) and matches(selector, p.labels)]
    if not selector["matchLabels"]:
        return
    if len({pod.where for pod in behind}) > 1:
        rule = f"matches pods of several: {', '.join(sorted({pod.where for pod in behind}))}"
        yield Finding(where(each), "spec.selector", rule)
    for port in each["spec"]["ports"]:
        if rule := _missing(port.get("targetPort", port["port"]), behind):
            yield Finding(where(each), "spec.ports.targetPort", rule)


def _of_policy(each: Object, everything: list[Pod]) -> Iterator[Finding]:
    selector = each["spec"].get("podSelector", {})
    own = [p for p in everything if p.namespace == namespace(each) and matches(selector, p.labels)]
    for rule in each["spec"].get("ingress") or []:
        yield from _policy_ports(each, "spec.ingress.ports", rule, own)
    for rule in each["spec"].get("egress") or []:
        for peer in rule.get("to", []):
            if peer.get("podSelector"):
                space = peer_namespace(peer, namespace(each))
                there = [p for p in everything if p.namespace == space and matches(peer["podSelector"], p.labels)]
                yield from _policy_ports(each, "spec.egress.ports", rule, there)


def _policy_ports(each: Object, field: str, rule: Mapping[str, Any], there: list[Pod]) -> Iterator[Finding]:
    for port in rule.get("ports", []):
        if "port" in port and (fault := _missing(port["port"], [pod for pod in there if opened(pod)])):
            yield Finding(where(each), field, fault)


def _of_monitor(each: Object, objects: list[Object]) -> Iterator[Finding]:
    services = [
        other
        for other in objects
        if other["kind"] == "Service"
        and namespace(other) == namespace(each)
        and matches(each["spec"]["selector"], other["metadata"].get("labels", {}))
    ]
    names = {port.get("name") for service in services for port in service["spec"]["ports"]}
    for endpoint in each["spec"]["endpoints"]:
        if "port" in endpoint and endpoint["port"] not in names:
            yield Finding(where(each), "spec.endpoints.port", f"{endpoint['port']!r} is no port of its Services")


def _probes(pod: Pod) -> Iterator[Finding]:
    for path, container in containers(pod):
        ports = container.get("ports", [])
        known = {port["containerPort"] for port in ports} | {port.get("name") for port in ports}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            for how in ("httpGet", "tcpSocket"):
                port = container.get(probe, {}).get(how, {}).get("port")
                if port is not None and port not in known:
                    rule = f"{port!r} is no port of the container, which opens {_listed(known)}"
                    yield Finding(pod.where, f"{path}.{probe}.{how}.port", rule)


def _listed(ports: Iterable[Any]) -> str:
    return ", ".join(sorted(str(port) for port in ports)) or "none"
