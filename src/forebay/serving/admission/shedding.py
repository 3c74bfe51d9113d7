"""Load shedding: why a request or a connection was turned away, counted by reason, and the answer that says so."""

from enum import StrEnum

from prometheus_client import Counter

from forebay.serving.metrics import REGISTRY
from forebay.serving.rejection import RequestRejectedError


class ShedReason(StrEnum):
    """The values of the label `reason` of `forebay_shed_total`."""

    CONNECTIONS = "connections"
    ADDRESS_CONNECTIONS = "address_connections"
    CALLS = "calls"
    ADDRESS_CALLS = "address_calls"
    EVICTED = "evicted"  # an idle connection made room for a new one
    HEAD_BYTES = "head_bytes"
    HEAD_TIME = "head_time"
    BODY_TIME = "body_time"
    WRITE_TIME = "write_time"
    MEMORY = "memory"
    ADDRESS_MEMORY = "address_memory"
    DECODED = "decoded"
    QUEUE = "queue"
    ADDRESS_QUEUE = "address_queue"
    GONE = "gone"  # the client disconnected before its answer was made
    ENDING = "ending"


_SHED = Counter(
    "forebay_shed", "Requests and connections that were turned away, by reason", ["reason"], registry=REGISTRY
)
_COUNTERS = {reason: _SHED.labels(reason.value) for reason in ShedReason}  # so all are exported from the start, as 0

_MESSAGES = {
    ShedReason.CONNECTIONS: "This server has as many connections as it takes.",
    ShedReason.ADDRESS_CONNECTIONS: "Your address has as many connections as one may have (serve.address_percent).",
    ShedReason.CALLS: "As many gRPC calls are in flight as may be (serve.connections).",
    ShedReason.ADDRESS_CALLS: "As many gRPC calls of your address are in flight as one may have "
    "(serve.address_percent of serve.connections).",
    ShedReason.MEMORY: "The bodies of requests in flight fill the memory that is set aside for them "
    "(serve.memory_mib).",
    ShedReason.ADDRESS_MEMORY: "The bodies of your address's requests in flight take as much memory as one address may "
    "(serve.address_percent of serve.memory_mib).",
    ShedReason.DECODED: "The images of requests in flight fill the memory that is set aside for decoding.",
    ShedReason.QUEUE: "As many requests wait as may wait.",
    ShedReason.ADDRESS_QUEUE: "As many requests of your address wait as one may have waiting (serve.address_percent).",
    ShedReason.ENDING: "The server is ending.",
}
_TOO_MANY_REQUESTS = (
    ShedReason.ADDRESS_CONNECTIONS,
    ShedReason.ADDRESS_CALLS,
    ShedReason.ADDRESS_MEMORY,
    ShedReason.ADDRESS_QUEUE,
)
_RETRY_AFTER_S = {ShedReason.QUEUE: 5, ShedReason.ADDRESS_QUEUE: 5}
_DEFAULT_RETRY_AFTER_S = 1


def count_shed(reason: ShedReason) -> None:
    """Count one request or connection that was turned away."""
    _COUNTERS[reason].inc()


def shed_error(reason: ShedReason) -> RequestRejectedError:
    """Count a request that is turned away; the answer is 429 where its own address holds too much, else 503."""
    count_shed(reason)
    status = 429 if reason in _TOO_MANY_REQUESTS else 503
    seconds = _RETRY_AFTER_S.get(reason, _DEFAULT_RETRY_AFTER_S)
    headers = ((b"retry-after", str(seconds).encode()),)
    return RequestRejectedError(f"{_MESSAGES[reason]} Ask again in {seconds} s.", status, headers)
