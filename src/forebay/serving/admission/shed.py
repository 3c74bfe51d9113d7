"""Why a request or a connection was turned away, counted by reason, and the answer that says so."""

from enum import StrEnum

from prometheus_client import Counter

from forebay.serving.http.refusal import RefusedError

RETRY_AFTER_S = {"queue": 5, "address_queue": 5}
SHORT_RETRY_S = 1


class Shed(StrEnum):
    """The value of the label `reason` of `forebay_shed_total`."""

    CONNECTIONS = "connections"
    ADDRESS_CONNECTIONS = "address_connections"
    EVICTED = "evicted"  # a waiting connection made room for a new one
    HEAD_BYTES = "head_bytes"
    HEAD_TIME = "head_time"
    BODY_TIME = "body_time"
    WRITE_TIME = "write_time"
    MEMORY = "memory"
    ADDRESS_MEMORY = "address_memory"
    DECODED = "decoded"
    QUEUE = "queue"
    ADDRESS_QUEUE = "address_queue"
    GONE = "gone"  # the client left before its answer was made
    ENDING = "ending"


_SHED = Counter("forebay_shed", "Requests and connections that were turned away, by reason", ["reason"])
_COUNTERS = {reason: _SHED.labels(reason.value) for reason in Shed}  # all of them show from the start, as 0

_WORDS = {
    Shed.CONNECTIONS: "This server has as many connections as it takes.",
    Shed.ADDRESS_CONNECTIONS: "Your address has as many connections as one may have (serve.address_percent).",
    Shed.MEMORY: "The bodies of requests in flight fill the memory that is set aside for them (serve.memory_mib).",
    Shed.ADDRESS_MEMORY: "The bodies of your address's requests in flight take as much memory as one address may "
    "(serve.address_percent of serve.memory_mib).",
    Shed.DECODED: "The images of requests in flight fill the memory that is set aside for decoding.",
    Shed.QUEUE: "As many requests wait as may wait.",
    Shed.ADDRESS_QUEUE: "As many requests of your address wait as one may have waiting (serve.address_percent).",
    Shed.ENDING: "The server is ending.",
}
_OF_ADDRESS = (Shed.ADDRESS_CONNECTIONS, Shed.ADDRESS_MEMORY, Shed.ADDRESS_QUEUE)


def count_shed(reason: Shed) -> None:
    """Record one."""
    _COUNTERS[reason].inc()


def shed(reason: Shed) -> RefusedError:
    """The refusal of a request that comes too early: 429 where its own address holds too much, else 503; counted."""
    count_shed(reason)
    status = 429 if reason in _OF_ADDRESS else 503
    seconds = RETRY_AFTER_S.get(reason.value, SHORT_RETRY_S)
    headers = ((b"retry-after", str(seconds).encode()),)
    return RefusedError(f"{_WORDS[reason]} Ask again in {seconds} s.", status, headers)
