"""Make the passwords of docker/compose.yaml, once; its service `secrets` runs this. Standard library only.

What is there already is kept: the first file is the one that counts, the others are written from it every time. They
belong to the owner of their folder, and group 0 may read them, which every container of compose.yaml belongs to.
"""

import json
import os
import secrets
import sys
from pathlib import Path

TOKENS = "tokens.json"


def main(folder: Path, database: Path) -> None:
    """Write what each service reads.

    Args:
        folder: the folder of the passwords.
        database: the volume of Postgres, whose database keeps the password that it was made with.
    """
    tokens = folder / TOKENS
    if not tokens.exists():
        if any(database.iterdir()):
            sys.exit(
                f"docker/secrets/{TOKENS} is gone, and the database of this stand was made with the passwords in it. "
                "Bring the file back, or delete runs and models: docker compose -f docker/compose.yaml down --volumes"
            )
        made = {name: secrets.token_hex(24) for name in ("postgres", "s3_key", "s3_secret")}
        _write(tokens, json.dumps(made))
    made = json.loads(tokens.read_text())
    _write(folder / "postgres-password", made["postgres"])
    _write(
        folder / "pg_service.conf",
        f"[mlflow]\nhost=postgres\nuser=mlflow\ndbname=mlflow\npassword={made['postgres']}\n",
    )
    _write(
        folder / "aws-credentials",
        f"[default]\naws_access_key_id = {made['s3_key']}\naws_secret_access_key = {made['s3_secret']}\n",
    )
    _write(folder / "s3-auth-key", f"{made['s3_key']},{made['s3_secret']}")


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole: an interrupted start leaves no half-written password."""
    draft = path.with_name(f".{path.name}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    os.chown(draft, path.parent.stat().st_uid, 0)
    draft.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
