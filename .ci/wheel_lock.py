"""Write dist/requirements.txt: what the wheel needs beside torch, by version and hash; `make wheel` runs this."""

from pathlib import Path

import lockfile
from closure import closure

OUT = Path(__file__).resolve().parents[1] / "dist" / "requirements.txt"


def main() -> None:
    """Write the file, from the metadata of the packages that are installed here."""
    pins = lockfile.read(lockfile.FILE.read_text())
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(
        lockfile.hashed(pins, closure(["forebay"]).keys() - {"forebay", *lockfile.of_group(pins, "unhashed")})
    )
    print(f"Wrote {OUT}")


if __name__ == "__main__":
    main()
