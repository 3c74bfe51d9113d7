"""Where modules are looked for: never in the folder that a person happens to start in.

Imports nothing but what Python itself has imported already: a module of that folder could come in with anything else.
"""

import os
import sys

SAFE_PATH = "PYTHONSAFEPATH"  # as `python -P`, and every child inherits it: kfp's steps, Spark's workers
PYTHON_PATH = "PYTHONPATH"


def import_nothing_from_the_working_folder() -> None:
    """Take the working folder from where modules are looked for, here and in every child.

    Python puts it there for an empty entry of PYTHONPATH, which `export PYTHONPATH=$PYTHONPATH:…` leaves, and for
    `python -m forebay`, where `__main__` takes it away. Folders that PYTHONPATH names are the user's own and stay.
    """
    os.environ[SAFE_PATH] = "1"
    entries = os.environ.get(PYTHON_PATH, "").split(os.pathsep)
    named = [entry for entry in entries if entry not in ("", ".")]
    if named == entries or PYTHON_PATH not in os.environ:
        return
    os.environ[PYTHON_PATH] = os.pathsep.join(named)
    here = os.getcwd()  # noqa: PTH109 - pathlib would have to be imported for it
    if here not in named:
        sys.path[:] = [entry for entry in sys.path if entry not in ("", ".", here)]
