"""Access rules: which names of this server are accepted (against DNS rebinding), and which pages may ask (CORS).

A page that a person opens in a browser can send requests to a server on the person's own loopback. The name by which it
calls the server (`Host`) or its own origin (`Origin`) reveals it: a browser sets both, and lets no page change them.
"""

import ipaddress
from functools import lru_cache

from forebay.serving.http.headers import HeaderMap, RawHeaders
from forebay.serving.protocol.names import JSON_LENGTH_HEADER
from forebay.serving.rejection import RequestRejectedError, short_repr
from forebay.settings.serve import ANY, ServeConfig, normalize_origin

METHODS = b"GET, HEAD, POST"
PREFLIGHT_MAX_AGE_S = b"600"
READABLE_HEADERS = JSON_LENGTH_HEADER.lower().encode()
REQUEST_HEADERS = b"content-type, content-encoding, " + READABLE_HEADERS


class AccessPolicy:
    """The access rules of one server; `update` replaces them while it answers."""

    def __init__(self, config: ServeConfig, *, loopback: bool) -> None:
        """Rules for a server that listens on loopback only, or on other addresses too."""
        self._loopback = loopback
        self.update(config)

    def update(self, config: ServeConfig) -> None:
        """Follow other settings from the next request on."""
        self._rules = _AccessRules(config, self._loopback)

    def check(self, headers: HeaderMap) -> None:
        """Accept or reject a request.

        Raises:
            RequestRejectedError: its `Host` is not a name of this server, or its page's origin may not ask (403).
        """
        self._rules.check(headers)

    def cors_headers(self, origin: bytes | None) -> RawHeaders:
        """The headers with which a browser lets a page of this origin read a response; none where it may not."""
        return self._rules.cors_headers(origin)

    def preflight_headers(self, headers: HeaderMap) -> RawHeaders:
        """The headers of the response to OPTIONS.

        Raises:
            RequestRejectedError: pages of no other origin may ask (405), or pages of this one may not (403).
        """
        return self._rules.preflight_headers(headers)


class _AccessRules:
    """The rules under one version of the settings."""

    def __init__(self, config: ServeConfig, loopback: bool) -> None:
        self._origins = config.origins
        self._names = config.names
        self._loopback = loopback
        self._guarded = loopback or bool(config.names)
        self._is_own_name = lru_cache(256)(self._check_name)  # few names come again and again

    def check(self, headers: HeaderMap) -> None:
        host = headers.get(b"host")
        if host is not None and b"," in host:  # a proxy in front of this server may have acted on the other one
            raise RequestRejectedError(f"expected one Host header, got {short_repr(host.decode('latin-1'))}.")
        if self._guarded and host is not None and not self._is_own_name(host):
            raise RequestRejectedError(
                f"This server is not called {short_repr(host.decode('latin-1'))}. If that is a name of yours for it, "
                "set serve.hosts to it (`forebay serve --set serve.hosts=NAME`, or the variable FOREBAY_SERVE_HOSTS).",
                403,
            )
        origin = headers.get(b"origin")
        if self._guarded and origin is not None and not self._may_ask(origin, host):
            raise _foreign_page(origin)

    def cors_headers(self, origin: bytes | None) -> RawHeaders:
        if not self._origins:
            return []
        if ANY in self._origins:
            return [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", READABLE_HEADERS)]
        varies = (b"vary", b"origin")  # a cache must not give one origin's response to another
        if origin is None or not self._is_listed(origin):
            return [varies]
        return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", READABLE_HEADERS), varies]

    def preflight_headers(self, headers: HeaderMap) -> RawHeaders:
        origin = headers.get(b"origin")
        if not self._origins:
            raise RequestRejectedError(
                "OPTIONS is what a browser sends before a page of another origin asks, and none may: set "
                "serve.cors_origins to the page's origin (`forebay serve --set "
                "serve.cors_origins=http://localhost:3000`, or the variable FOREBAY_SERVE_CORS_ORIGINS).",
                405,
                ((b"allow", METHODS),),
            )
        if origin is None:
            return [(b"allow", METHODS)]
        if not self._is_listed(origin):
            raise _foreign_page(origin)
        private = b"access-control-allow-private-network"  # Chrome asks where a public page calls a private address
        wanted = headers.get(b"access-control-request-headers", REQUEST_HEADERS)
        return [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", wanted),
            (b"access-control-max-age", PREFLIGHT_MAX_AGE_S),
            *([(private, b"true")] if b"access-control-request-private-network" in headers else []),
        ]

    def _may_ask(self, origin: bytes, host: bytes | None) -> bool:
        """Whether a page is this server's own, or of an origin that may ask."""
        return is_own_page(origin, host) or self._is_listed(origin)

    def _is_listed(self, origin: bytes) -> bool:
        return ANY in self._origins or normalize_origin(origin.decode("latin-1")) in self._origins

    def _check_name(self, host: bytes) -> bool:
        name = _without_port(host.decode("latin-1")).lower().rstrip(".")
        if ANY in self._names or name in self._names or name == "localhost":
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        # Rebinding needs a name: a client that calls by address found it without DNS, as a cluster's probes do.
        return address.is_loopback or not self._loopback


def is_own_page(origin: bytes, host: bytes | None) -> bool:
    """Whether an origin is that of this server's own pages, by the name that the request calls it."""
    return origin.partition(b"://")[2].lower() == (host or b"").lower()


def is_loopback(address: str) -> bool:
    """Whether a socket's own address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:  # not an IP address: a socket in the file system
        return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _foreign_page(origin: bytes) -> RequestRejectedError:
    return RequestRejectedError(
        f"Pages of {short_repr(origin.decode('latin-1'))} may not ask this server. If that is your page, set "
        "serve.cors_origins to its origin (`forebay serve --set serve.cors_origins=ORIGIN`, or the variable "
        "FOREBAY_SERVE_CORS_ORIGINS).",
        403,
    )
