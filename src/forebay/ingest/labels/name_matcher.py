"""Finds the images that a table names: by path, by file name, or by file name without suffix."""

from collections.abc import Callable, Sequence
from functools import cached_property

from forebay.ingest.unicode_form import casefolded, nfc


class NameMatcher:
    """Looks up images by the names that people write into tables."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Take the paths of all images, inside the source."""
        self._paths = paths
        self._exact_paths = set(paths)
        self._index = _NameIndex(paths, nfc)

    def find(self, written: str, folder: str) -> list[str]:
        """The images that a name may stand for: several where it is in doubt, none where nothing fits.

        Tried in turn: the path below the table's folder, the path below the source, the path without the folders above
        the source (`data/photos/cat/1.png`), the file name, the file name without a suffix; then all of it once more
        without regard to capitals. Where the source has the folder that is written, an image in another folder does
        not fit.

        Args:
            written: the name as it stands in the table.
            folder: the table's folder inside the source; empty for its top.
        """
        parts = [part for part in written.strip().replace("\\", "/").split("/") if part not in ("", ".")]
        path = "/".join(filter(None, [folder, *parts]))
        if path in self._exact_paths:
            return [path]
        found = self._index.find(parts, folder)
        if len(found) == 1:
            return found
        found_casefolded = self._casefolded_index.find(parts, folder)
        return found_casefolded if len(found_casefolded) == 1 or not found else found

    @cached_property
    def _casefolded_index(self) -> "_NameIndex":
        """Built at first use, because most tables write names exactly."""
        return _NameIndex(self._paths, casefolded)


class _NameIndex:
    """The paths of images by one Unicode form of path, file name and stem."""

    def __init__(self, paths: Sequence[str], form: Callable[[str], str]) -> None:
        self._form = form
        self._by_path: dict[str, list[str]] = {}
        self._by_name: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        self._folders: set[str] = set()
        for path in paths:
            *folders, name = form(path).split("/")
            self._by_path.setdefault(form(path), []).append(path)
            self._by_name.setdefault(name, []).append(path)
            self._by_stem.setdefault(_stem(name), []).append(path)
            self._folders.update(folders)

    def find(self, parts: Sequence[str], folder: str) -> list[str]:
        parts, folder = [self._form(part) for part in parts], self._form(folder)
        candidates = [
            "/".join([folder, *parts]) if folder else "",
            *("/".join(parts[start:]) for start in range(len(parts))),
        ]
        for path in filter(None, candidates):
            if path in self._by_path:
                return self._by_path[path]
        name = parts[-1] if parts else ""
        found = self._by_name.get(name) or self._by_stem.get(name) or self._by_stem.get(_stem(name), [])
        inside = [path for path in found if self._form(path).startswith(f"{folder}/")] if folder else found
        return self._in_written_folder(inside or found, parts)

    def _in_written_folder(self, paths: list[str], parts: Sequence[str]) -> list[str]:
        """The images in the folder that is written before the name; all images where the source has no such folder."""
        if len(parts) < 2:
            return paths
        written = parts[-2]
        folders = {path: self._form(path).split("/")[:-1] for path in paths}
        inside = [path for path in paths if folders[path][-1:] == [written]]
        inside = inside or [path for path in paths if written in folders[path]]
        return inside or ([] if written in self._folders else paths)


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name
