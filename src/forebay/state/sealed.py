"""Artifact folders that are complete, and unchanged since: a marker with the size and the sha256 of every file.

The step that writes a folder seals it last. Whether it is complete is asked often and answered from sizes; what a step
reads of it is compared by content, once in the step, before the first row is taken.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from forebay.errors import DamagedArtifactError
from forebay.state.file_digest import file_sha256
from forebay.state.files import read_json, write_json
from forebay.state.machine_errors import explain_machine_error

MARKER = "_COMPLETE.json"
EVERYTHING = "/"  # all that was sealed
SMALL_BYTES = 1 << 20  # up to which content is compared whenever it is asked: manifests, evaluations, a spec
_AGAIN = {  # by the step that wrote the folder: the command that writes it outside a run
    "ingest": "forebay ingest",
    "preprocess": "forebay train",
    "train": "forebay train",
    "evaluate": "forebay evaluate",
    "decode": "forebay predict",
}


def seal(folder: Path) -> None:
    """Mark an artifact folder as complete: the last thing a step writes into it."""
    names = _sizes(folder)
    write_json(folder / MARKER, {"bytes": names, "sha256": {name: file_sha256(folder / name) for name in names}})


def is_sealed(folder: Path) -> bool:
    """Tell whether the folder is as it was sealed: every file is there in its size, and small ones in their content.

    What reads the large ones, rows and images, compares them by content (`check_content`).
    """
    try:
        marker = read_json(folder / MARKER)
        sizes: dict[str, int] = marker["bytes"]
        digests: dict[str, str] = marker["sha256"]  # older versions wrote none: such a folder is made anew
        small = [name for name, size in sizes.items() if size <= SMALL_BYTES]
        have = _sizes(folder)
        return all(have.get(name) == size for name, size in sizes.items()) and all(
            file_sha256(folder / name) == digests[name] for name in small
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def check_content(folder: Path, maker: str, names: Iterable[str]) -> None:
    """Compare files with what they were when the folder was sealed; 1 to 2 GB a second and core.

    Args:
        folder: an artifact folder.
        maker: the step that wrote it, for the message.
        names: files in it; a name that ends with a slash stands for all that lies, or should lie, in that folder,
            `EVERYTHING` for all that was sealed, whatever came beside it later.

    Raises:
        DamagedArtifactError: names the file that is missing or another one, and what writes it anew.
    """
    wanted = _sealed_digests(folder, maker)
    for name in _files(folder, names, wanted):
        if name not in wanted:
            raise _damaged(folder, name, maker, f"{MARKER} does not list it")
        try:
            found = file_sha256(folder / name)
        except OSError as error:
            if explain_machine_error(error):  # too few descriptors or too little memory are no fault of the file
                raise
            raise _damaged(folder, name, maker, f"cannot be read ({error.strerror or error})") from error
        if found != wanted[name]:
            problem = f"its sha256 is {found[:12]}…, and was {wanted[name][:12]}… when {maker} wrote it"
            raise _damaged(folder, name, maker, problem)


def _files(folder: Path, names: Iterable[str], sealed: Iterable[str]) -> Iterator[str]:
    for name in names:
        if not name.endswith("/"):
            yield name
        elif name == EVERYTHING:
            yield from sorted(sealed)
        else:
            yield from sorted(each for each in {*_sizes(folder), *sealed} if each.startswith(name))


def _sealed_digests(folder: Path, maker: str) -> dict[str, str]:
    try:
        digests = read_json(folder / MARKER)["sha256"]
        return {str(name): str(digest) for name, digest in digests.items()}
    except FileNotFoundError as error:
        there = folder.is_dir()
        problem = f"is missing: {maker} did not end, or files were removed" if there else "the folder is gone"
        raise _damaged(folder, MARKER if there else "", maker, problem) from error
    except KeyError as error:
        raise _damaged(folder, MARKER, maker, "an older version wrote it, without digests of the files") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        if explain_machine_error(error):
            raise
        raise _damaged(folder, MARKER, maker, f"cannot be read ({error})") from error


def _damaged(folder: Path, name: str, maker: str, problem: str) -> DamagedArtifactError:
    fix = f"`forebay run` again makes it anew; in a folder that you gave to a command, `{_AGAIN[maker]}` does"
    return DamagedArtifactError(folder=folder, source=str(folder / name), problem=problem, fix=f"{fix}.")


def _sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MARKER
    }
