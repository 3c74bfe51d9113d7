"""The `forebay` command. Each command's module is imported only when that command is called."""

import sys

from forebay.search_path import import_nothing_from_the_working_folder

NOTHING_DONE = "Ended by Ctrl-C before anything was done."


def main() -> None:
    """Entry point: where modules are looked for is put right before the first library is imported."""
    import_nothing_from_the_working_folder()
    try:
        from forebay.cli.main import group

        group.main(prog_name="forebay")
    except KeyboardInterrupt:  # before click is there to tell it
        sys.stderr.write(f"{NOTHING_DONE}\n")
        sys.exit(130)
