"""What is on record of a bundle: in a module of its own, because processes that must stay small carry it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class BundleRecord:
    """What every file of a bundle must be, kept elsewhere than in it: the registry's word, never the folder's own."""

    digest: str
    files: str = (
        ""  # as `contracts.bundles.digest.files_json` writes them, to name the one that differs; empty if not known
    )
