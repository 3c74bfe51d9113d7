"""The record of a bundle. It has a module of its own, because processes that must stay small import it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BundleRecord:
    """What every file of a bundle must be. The registry keeps it, never the bundle itself."""

    digest: str
    files: str = (
        ""  # as `contracts.bundles.digest.files_json` writes them, to name the one that differs; empty if not known
    )
