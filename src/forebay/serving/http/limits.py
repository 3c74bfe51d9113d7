"""Every limit of the server, in one place; docs/serving-limits.md tells people of them."""

import resource
from dataclasses import dataclass

from forebay.settings.serve import ServeConfig

FILES_KEPT = 96  # descriptors for models, logs and libraries, which connections never take
FEWEST_CONNECTIONS = 12  # where even fewer could be opened
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request, one address and all of them together may take. The first block are settings (`serve.*`)."""

    connections: int = 1024  # at once
    address_percent: int = 50  # of connections, memory and queue that one address may hold
    head_s: int = 20  # for the whole head of a request, counted from its first byte
    body_s: int = 60  # for the whole body
    memory_bytes: int = 256 * MIB  # of all bodies at once, decompressed ones too

    head_bytes: int = 32 << 10  # request line and headers of one request
    headers: int = 100
    spare_connections: int = 64  # above `connections`, for health and metrics only
    write_s: float = 30.0  # without a byte of its answer taken, a client is cut off
    body_idle_s: float = 15.0  # without a byte of a body
    discard_s: float = 10.0  # a refused client may go on sending so long, to see its answer
    small_bytes: int = MIB  # a request with a body up to this size waits behind no larger one
    small_decoded_bytes: int = 64 * MIB  # of its images while they are decoded: up to some 4.5 megapixels
    small_pixels: int = 1 << 16  # of all its images in the model's size; a single image is always small
    small_percent: int = 25  # of the memory, kept for small requests
    decoded_bytes: int = 512 * MIB  # of images and parsed JSON, of all requests at once
    small_queue: int = 1024  # small requests that wait for a thread
    large_queue: int = 64
    grace_s: float = 5.5  # after SIGTERM, for what is being answered
    end_s: float = 7.5  # after SIGTERM the process ends, whatever runs

    @classmethod
    def of(cls, config: ServeConfig) -> "Limits":
        """The limits under these settings, on what this process may open."""
        openable = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        room = 1 << 20 if openable == resource.RLIM_INFINITY else max(FEWEST_CONNECTIONS, openable - FILES_KEPT)
        spare = min(cls.spare_connections, room // 4)
        return cls(
            connections=min(config.connections, room - 2 * spare),  # twice: as many more are told why they are closed
            spare_connections=spare,
            address_percent=config.address_percent,
            head_s=config.head_s,
            body_s=config.body_s,
            memory_bytes=config.memory_mib * MIB,
        )

    def share(self, of: int) -> int:
        """How much of something one address may hold; one at least."""
        return max(1, of * self.address_percent // 100)


def raise_open_files() -> None:
    """Let this process open as many files as it may: the usual soft limit is 1024, and each client takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
