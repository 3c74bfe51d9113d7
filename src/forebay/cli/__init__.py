"""The `forebay` command. Each command's module is imported only when that command is called."""

from forebay.cli.main import main

__all__ = ["main"]
