"""Limits on connections, time, memory and queues; docs/serving-limits.md describes them for people."""

import resource
from dataclasses import dataclass

from forebay.settings.serve import ServeConfig

RESERVED_FILES = 96  # descriptors for models, logs and libraries, which connections never take
MIN_CONNECTIONS = 12  # also where the process may open even fewer files
WANTED_OPEN_FILES = 1 << 16
MIB = 1 << 20
MAX_BODY_BYTES = 64 * MIB  # one body takes at most this much, decompressed too; --max-body-mib sets another limit


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """What one request, one address and all of them together may take. The first block are settings (`serve.*`)."""

    connections: int = 1024  # at once
    address_percent: int = 50  # one address may hold this much of the connections, the memory and the queues
    head_s: int = 20  # the whole head of a request may take so long, counted from its first byte
    body_s: int = 60  # the whole body may take so long
    memory_bytes: int = 256 * MIB  # all bodies together may take this much, decompressed ones included

    head_bytes: int = 32 << 10  # request line and headers of one request
    headers: int = 100
    spare_connections: int = 64  # above `connections`, for health and metrics only
    write_s: float = 30.0  # a client that takes no byte of its response for so long is cut off
    body_idle_s: float = 15.0  # the longest pause between two bytes of a body
    discard_s: float = 10.0  # a rejected client may go on sending for so long, to see its response,
    discard_idle_s: float = 2.0  # unless it pauses for so long
    discard_bytes: int = 1 << 30  # or sends more than this
    small_bytes: int = MIB  # a request with a body up to this size waits behind no larger one
    small_decoded_bytes: int = 64 * MIB  # its images may take this much while they are decoded: some 4.5 megapixels
    small_pixels: int = 1 << 16  # its images have no more pixels in the model's size; a single image is always small
    small_percent: int = 25  # this much of the memory is kept for small requests
    decoded_bytes: int = 512 * MIB  # images and parsed JSON of all requests together may take this much
    decoded_wait_s: float = 20.0  # how long a request waits for that memory
    small_queue: int = 1024  # small requests that wait for a thread
    large_queue: int = 64
    grace_s: float = 5.5  # after SIGTERM, for what is being answered
    end_s: float = 7.5  # after SIGTERM, until the process ends, whatever runs

    @classmethod
    def from_settings(cls, config: ServeConfig) -> "ServerLimits":
        """The limits under these settings, and under the number of files that this process may open."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        room = 1 << 20 if files == resource.RLIM_INFINITY else max(MIN_CONNECTIONS, files - RESERVED_FILES)
        spare = min(cls.spare_connections, room // 4)
        return cls(
            connections=min(config.connections, room - 2 * spare),  # twice: as many more are told why they are closed
            spare_connections=spare,
            address_percent=config.address_percent,
            head_s=config.head_s,
            body_s=config.body_s,
            memory_bytes=config.memory_mib * MIB,
        )

    def per_address(self, total: int) -> int:
        """How much of a total one address may hold; at least 1."""
        return max(1, total * self.address_percent // 100)


def raise_open_file_limit() -> None:
    """Let this process open as many files as it may: the usual soft limit is 1024, and each client takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
