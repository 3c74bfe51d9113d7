"""Find the images that a table names: by path, by file name, or by file name without suffix."""

import unicodedata
from collections.abc import Callable, Sequence
from functools import cached_property


def nfc(name: str) -> str:
    """A name in Unicode's composed form (NFC): macOS writes accents into file names as letters of their own."""
    return unicodedata.normalize("NFC", name)


def casefolded(name: str) -> str:
    """A name as Windows and macOS compare it."""
    return nfc(nfc(name).casefold())


class NameMatcher:
    """Looks up images by the names that people write into tables."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Take the paths of all images, inside the source."""
        self._given = set(paths)
        self._names = _NameIndex(paths, nfc)
        self._paths = paths

    def find(self, written: str, folder: str) -> list[str]:
        """The images that a name may stand for; several where it is in doubt, none where there is none.

        Tried in turn: the path below the table's folder, the path below the source, the path without the folders above
        the source (`data/photos/cat/1.png`), the file name, the file name without a suffix; then all of it once more
        without regard to capitals. An image in another folder than the written one is none where that folder is there.

        Args:
            written: as it stands in the table.
            folder: of the table, inside the source; empty for its top.
        """
        parts = [part for part in written.strip().replace("\\", "/").split("/") if part not in ("", ".")]
        below = "/".join(filter(None, [folder, *parts]))
        if below in self._given:
            return [below]
        found = self._names.find(parts, folder)
        if len(found) == 1:
            return found
        loose = self._casefolded.find(parts, folder)
        return loose if len(loose) == 1 or not found else found

    @cached_property
    def _casefolded(self) -> "_NameIndex":
        """Made when it is asked for: most tables write names as they are."""
        return _NameIndex(self._paths, casefolded)


class _NameIndex:
    """The paths by one form of their names."""

    def __init__(self, paths: Sequence[str], form: Callable[[str], str]) -> None:
        self._form = form
        self._paths: dict[str, list[str]] = {}
        self._names: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        self._folders: set[str] = set()
        for path in paths:
            *folders, name = form(path).split("/")
            self._paths.setdefault(form(path), []).append(path)
            self._names.setdefault(name, []).append(path)
            self._stems.setdefault(_stem(name), []).append(path)
            self._folders.update(folders)

    def find(self, parts: Sequence[str], folder: str) -> list[str]:
        parts, folder = [self._form(part) for part in parts], self._form(folder)
        tries = [
            "/".join([folder, *parts]) if folder else "",
            *("/".join(parts[start:]) for start in range(len(parts))),
        ]
        for path in filter(None, tries):
            if path in self._paths:
                return self._paths[path]
        name = parts[-1] if parts else ""
        found = self._names.get(name) or self._stems.get(name) or self._stems.get(_stem(name), [])
        inside = [path for path in found if self._form(path).startswith(f"{folder}/")] if folder else found
        return self._in_its_folder(inside or found, parts)

    def _in_its_folder(self, paths: list[str], parts: Sequence[str]) -> list[str]:
        """Of images of a name those in the folder that is written before it; all where the source has no such."""
        if len(parts) < 2:
            return paths
        above = {path: self._form(path).split("/")[:-1] for path in paths}
        inside = [path for path in paths if above[path][-1:] == [parts[-2]]]
        inside = inside or [path for path in paths if parts[-2] in above[path]]
        return inside or ([] if parts[-2] in self._folders else paths)


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name
