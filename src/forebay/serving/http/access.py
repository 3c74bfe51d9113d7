"""Who may ask: the names of this server (against DNS rebinding), and pages of other origins in a browser (CORS).

A page that a person opens can send requests to what listens on the person's own loopback. Its name for us (`Host`) or
its own (`Origin`) gives it away: a browser sets both, and lets no page change them.
"""

import ipaddress
from functools import lru_cache

from forebay.serving.http.refusal import RefusedError, shown
from forebay.settings.serve import ANY, ServeConfig, as_browsers_write

RawHeaders = list[tuple[bytes, bytes]]
Found = dict[bytes, bytes]

METHODS = b"GET, HEAD, POST"
REMEMBER_S = b"600"
OWN_HEADERS = b"content-type, content-encoding, inference-header-content-length"
READABLE = b"inference-header-content-length"


class Access:
    """The rules of one server; `use` replaces its settings while it answers."""

    def __init__(self, config: ServeConfig, *, loopback: bool) -> None:
        """Rules of a server that listens on loopback only, or elsewhere."""
        self._loopback = loopback
        self.use(config)

    def use(self, config: ServeConfig) -> None:
        """Follow other settings from the next request on."""
        self._rules = _Rules(config, self._loopback)

    def check(self, headers: Found) -> None:
        """Let a request pass.

        Raises:
            RefusedError: its `Host` is no name of this server, or its page's origin may not ask (403).
        """
        self._rules.check(headers)

    def shared(self, origin: bytes | None) -> RawHeaders:
        """Headers by which a browser lets the page of an origin read an answer; none where it may not."""
        return self._rules.shared(origin)

    def preflight(self, headers: Found) -> RawHeaders:
        """Headers of the answer to OPTIONS.

        Raises:
            RefusedError: nothing is shared with other origins (405), or not with this one (403).
        """
        return self._rules.preflight(headers)


class _Rules:
    """The same, of one state of the settings."""

    def __init__(self, config: ServeConfig, loopback: bool) -> None:
        self._origins = config.origins
        self._names = config.names
        self._loopback = loopback
        self._guarded = loopback or bool(config.names)
        self._is_ours = lru_cache(256)(self._looked_up)  # few names come again and again

    def check(self, headers: Found) -> None:
        host = headers.get(b"host")
        if host is not None and b"," in host:  # what stands in front of us may have gone by another one than we would
            raise RefusedError(f"expected one Host header, got {shown(host.decode('latin-1'))}.")
        if self._guarded and host is not None and not self._is_ours(host):
            raise RefusedError(
                f"This server is not called {shown(host.decode('latin-1'))}. If that is a name of yours for it, set "
                "serve.hosts to it (`forebay serve --set serve.hosts=NAME`, or the variable FOREBAY_SERVE_HOSTS).",
                403,
            )
        origin = headers.get(b"origin")
        if self._guarded and origin is not None and not self._may_ask(origin, host):
            raise _foreign(origin)

    def shared(self, origin: bytes | None) -> RawHeaders:
        if not self._origins:
            return []
        if ANY in self._origins:
            return [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", READABLE)]
        varies = (b"vary", b"origin")  # a cache must not give one origin's answer to another
        if origin is None or not self._is_listed(origin):
            return [varies]
        return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", READABLE), varies]

    def preflight(self, headers: Found) -> RawHeaders:
        origin = headers.get(b"origin")
        if not self._origins:
            raise RefusedError(
                "OPTIONS is what a browser sends before a page of another origin asks, and none may: set "
                "serve.cors_origins to the page's origin (`forebay serve --set "
                "serve.cors_origins=http://localhost:3000`, or the variable FOREBAY_SERVE_CORS_ORIGINS).",
                405,
                ((b"allow", METHODS),),
            )
        if origin is None:
            return [(b"allow", METHODS)]
        if not self._is_listed(origin):
            raise _foreign(origin)
        private = b"access-control-allow-private-network"  # Chrome asks where a public page meets a private address
        wished = headers.get(b"access-control-request-headers", OWN_HEADERS)
        return [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", wished),
            (b"access-control-max-age", REMEMBER_S),
            *([(private, b"true")] if b"access-control-request-private-network" in headers else []),
        ]

    def _may_ask(self, origin: bytes, host: bytes | None) -> bool:
        """Whether a page is ours, or one that may ask."""
        return origin.partition(b"://")[2].lower() == (host or b"").lower() or self._is_listed(origin)

    def _is_listed(self, origin: bytes) -> bool:
        return ANY in self._origins or as_browsers_write(origin.decode("latin-1")) in self._origins

    def _looked_up(self, host: bytes) -> bool:
        name = _without_port(host.decode("latin-1")).lower().rstrip(".")
        if ANY in self._names or name in self._names or name == "localhost":
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # Rebinding needs a name: who calls by address has found it without DNS. Probes of a cluster call pods so.
        return address.is_loopback or not self._loopback


def is_loopback(address: str) -> bool:
    """Whether a socket's own address is reachable from this machine alone."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:  # no address of the Internet's kind: a socket in the file system
        return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _foreign(origin: bytes) -> RefusedError:
    return RefusedError(
        f"Pages of {shown(origin.decode('latin-1'))} may not ask this server. If that is your page, set "
        "serve.cors_origins to its origin (`forebay serve --set serve.cors_origins=ORIGIN`, or the variable "
        "FOREBAY_SERVE_CORS_ORIGINS).",
        403,
    )
