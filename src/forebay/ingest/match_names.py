"""Find the pictures that a table names: by path, by file name, or by file name without suffix."""

from collections.abc import Sequence


class NameMatcher:
    """Looks up pictures by the names that people write into tables."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Take the paths of all pictures, inside the source."""
        self._paths = set(paths)
        self._names: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for path in paths:
            name = path.rpartition("/")[2]
            self._names.setdefault(name, []).append(path)
            self._stems.setdefault(_stem(name), []).append(path)

    def find(self, written: str, folder: str) -> list[str]:
        """The pictures that a name may stand for; several where it is in doubt, none where there is none.

        Tried in turn: the path below the table's folder, the path below the source, the path without the folders above
        the source (`data/photos/cat/1.png`), the file name, the file name without a suffix.

        Args:
            written: as it stands in the table.
            folder: of the table, inside the source; empty for its top.
        """
        parts = [part for part in written.strip().replace("\\", "/").split("/") if part not in ("", ".")]
        tries = [
            "/".join([folder, *parts]) if folder else "",
            *("/".join(parts[start:]) for start in range(len(parts))),
        ]
        for path in filter(None, tries):
            if path in self._paths:
                return [path]
        name = parts[-1] if parts else ""
        found = self._names.get(name) or self._stems.get(name) or self._stems.get(_stem(name), [])
        inside = [path for path in found if path.startswith(f"{folder}/")] if folder else found
        return _with_folders(inside or found, parts)


def _with_folders(paths: list[str], parts: list[str]) -> list[str]:
    """Of several pictures of a name those that lie in the folder that is written before it, where there are such."""
    if len(paths) < 2 or len(parts) < 2:
        return paths
    inside = [path for path in paths if path.split("/")[-2:-1] == parts[-2:-1]]
    return inside or paths


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name
