"""What browsers see: the page at `/`, the documentation at `/docs`, and what both ask for.

The page is a client like any other: it predicts over the paths that everybody uses. Its files lie in
`forebay/serving/page/`; nothing in them is inline, so the policy that goes with them allows no inline script or style.
"""

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePath
from typing import Any

import orjson

from forebay.contracts.bundles.regular_file import read_regular
from forebay.errors import ModelError
from forebay.serving.admission.limits import MAX_BODY_BYTES
from forebay.serving.app.openapi import Document, openapi
from forebay.serving.app.page_models import model_facts, report_file
from forebay.serving.app.routes import ASSETS, DOCS, PAGE_MODELS, ROOT, report_target
from forebay.serving.http.access import is_own_page
from forebay.serving.http.headers import HeaderMap, RawHeaders
from forebay.serving.http.response import JSON_TYPE, HttpResponse
from forebay.serving.rejection import RequestRejectedError, short_repr
from forebay.serving.repository.model_manager import ModelManager
from forebay.serving.repository.served_model import ServedModel
from forebay.state import Home
from forebay.version import VERSION

MAX_REPORT_BYTES = 64 << 20
_HTML = (b"content-type", b"text/html; charset=utf-8")
_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types 'none'"
)
# The report has its styles inside, no script, and charts as data: addresses. In a sandbox nothing in it could run.
_REPORT_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
_EVERYWHERE: RawHeaders = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


@dataclass(frozen=True)
class _Asset:
    """A file of the page."""

    body: bytes
    headers: RawHeaders
    etag: bytes


class Page:
    """The page of one server. It answers nothing while `is_on` is false, and then every path is as without it."""

    def __init__(
        self,
        models: ModelManager,
        *,
        home: Home | None = None,
        loopback: bool = False,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        """The page of these models.

        Args:
            models: may change meanwhile.
            home: the state folder, which has the facts of versions; None where there is none.
            loopback: whether only this machine can ask; reports hold training images, so others do not get them.
            max_body_bytes: limit of a request's body, which the page tells before it sends more.
        """
        self.is_on = False
        self._models = models
        self._home = home
        self._reports_from = home if loopback else None
        self._max_body_bytes = max_body_bytes
        self._assets = _read_assets()

    def answers(self, path: str, headers: HeaderMap) -> bool:
        """Whether a request is for the page. Only browsers ask for HTML; for others `/` says that the server lives."""
        if not self.is_on:
            return False
        return (
            path == DOCS or path.startswith("/page/") or (path == ROOT and b"text/html" in headers.get(b"accept", b""))
        )

    def respond(self, method: str, path: str, headers: HeaderMap) -> HttpResponse:
        """Answer a request for the page; it may read a file.

        Raises:
            RequestRejectedError: there is no such file, model or report (404), it is not GET or HEAD (405), or a page
                of another origin asks (403): `serve.cors_origins` is about predictions.
        """
        if method not in ("GET", "HEAD"):
            raise RequestRejectedError(f"expected GET or HEAD, got {method}.", 405, ((b"allow", b"GET, HEAD"),))
        origin = headers.get(b"origin")
        if origin is not None and not is_own_page(origin, headers.get(b"host")):
            raise RequestRejectedError(
                f"Pages of {short_repr(origin.decode('latin-1'))} may not read this server's own page. Ask its models, "
                "or GET /openapi.json.",
                403,
            )
        if path == PAGE_MODELS:
            return HttpResponse(200, orjson.dumps(self._document()), [JSON_TYPE, *_EVERYWHERE, *_NOT_STORED])
        if (name := report_target(path)) is not None:
            return self._report(name)
        return self._asset(path, headers)

    def openapi(self) -> Document:
        """The OpenAPI document of what is served now."""
        found = self._served()
        reports = [model.name for model in found if report_file(self._reports_from, model)] if self.is_on else []
        return openapi(found, page=self.is_on, assets=sorted(self._assets), reports=reports)

    def _served(self) -> list[ServedModel]:
        models = (self._models.get(name) for name in self._models.names())
        return [model for model in models if model is not None]

    def _document(self) -> dict[str, Any]:
        """What the page shows of the models. Candidates of deployments are not for people."""
        missing = [{"name": name, "version": version} for name, version in self._models.missing().items()]
        models = [
            model_facts(model, self._home, has_report=report_file(self._reports_from, model) is not None)
            for model in self._served()
            if not model.desired.candidate
        ]
        return {"forebay": VERSION, "max_body_bytes": self._max_body_bytes, "models": models, "missing": missing}

    def _report(self, name: str) -> HttpResponse:
        model = self._models.get(name)
        file = None if model is None else report_file(self._reports_from, model)
        if file is None:
            raise RequestRejectedError(
                f"There is no report of {short_repr(name)} here. It lies in the folder of the run that made the "
                "version, and is shown on the machine of that folder only.",
                404,
            )
        try:
            body = read_regular(file, MAX_REPORT_BYTES)
        except ModelError as error:
            raise RequestRejectedError(f"The report of {short_repr(name)} cannot be read: {error}", 404) from error
        policy = (b"content-security-policy", _REPORT_POLICY)
        return HttpResponse(200, body, [_HTML, policy, *_EVERYWHERE, *_NOT_STORED])

    def _asset(self, path: str, headers: HeaderMap) -> HttpResponse:
        name = {ROOT: "index.html", DOCS: "docs.html"}.get(path, path.removeprefix(ASSETS))
        asset = self._assets.get(name)
        if asset is None:
            raise RequestRejectedError(
                f"There is no {short_repr(path)}. The page is at /, its documentation at /docs.", 404
            )
        varies = [(b"vary", b"accept")] if path == ROOT else []
        known = [word.strip() for word in headers.get(b"if-none-match", b"").split(b",")]
        if asset.etag in known:
            return HttpResponse(304, b"", [*asset.headers, *varies])
        return HttpResponse(200, asset.body, [*asset.headers, *varies])


_NOT_STORED: RawHeaders = [(b"cache-control", b"no-store")]


def _read_assets() -> dict[str, _Asset]:
    """Every file of the page by its name, in memory: together they have some 50 kB."""
    folder = resources.files("forebay.serving") / "page"
    return {
        file.name: _asset(file.name, file.read_bytes())
        for file in folder.iterdir()
        if PurePath(file.name).suffix in _TYPES
    }


def _asset(name: str, body: bytes) -> _Asset:
    etag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
    headers: RawHeaders = [
        (b"content-type", _TYPES[PurePath(name).suffix]),
        (b"content-security-policy", _PAGE_POLICY),
        *_EVERYWHERE,
        (b"cache-control", b"no-cache"),  # asked again each time, and answered with 304: an upgrade is seen at once
        (b"etag", etag),
    ]
    return _Asset(body, headers, etag)
