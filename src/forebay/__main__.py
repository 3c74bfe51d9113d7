"""`python -m forebay` is the `forebay` command."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the working folder: a kfp.py or mlflow.py of somebody's project is not ours

from forebay.cli import main

main()
