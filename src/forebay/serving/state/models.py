"""One model as it should be served, and as the server answers for it."""

from dataclasses import dataclass
from pathlib import Path

from forebay.contracts.bundles.record import BundleRecord


@dataclass(frozen=True, kw_only=True)
class DesiredModel:
    """One model as it should be served."""

    bundle: str  # folder
    version: str  # the registry's
    weights_sha256: str
    digest: str = ""  # covers the whole bundle; empty for a version that was registered without one
    files: str = ""  # the list of files behind `digest`, where it is known: with it the file that differs can be named
    candidate: bool = False  # staged for a smoke test; the next deploy drops what a killed one left behind

    @classmethod
    def from_record(
        cls, folder: Path, version: str, weights_sha256: str, record: BundleRecord | None
    ) -> "DesiredModel":
        """A bundle with the digest that the registry, not the folder itself, has of it."""
        known = record or BundleRecord(digest="")
        return cls(
            bundle=str(folder), version=version, weights_sha256=weights_sha256, digest=known.digest, files=known.files
        )

    @property
    def record(self) -> BundleRecord | None:
        """What every file must be; None where only the digest of the weights is known."""
        return BundleRecord(digest=self.digest, files=self.files) if self.digest else None

    @property
    def loaded_status(self) -> "LoadStatus":
        """The status that a server reports once it serves exactly this."""
        return LoadStatus(version=self.version, weights_sha256=self.weights_sha256, digest=self.digest)


@dataclass(frozen=True, kw_only=True)
class LoadStatus:
    """What the server answers with under one name, and what became of the model that should answer."""

    version: str = ""  # which answers; empty when none does
    weights_sha256: str = ""
    digest: str = ""
    loading: bool = False  # the desired model is being loaded
    error: str = ""  # why the desired model does not answer

    @property
    def is_pending(self) -> bool:
        """Whether the desired model is still being loaded, and is not late yet."""
        return self.loading and not self.error
