"""The `forebay` command. Each command's module is imported only when that command is called."""

from forebay.search_path import import_nothing_from_the_working_folder


def main() -> None:
    """Entry point: where modules are looked for is put right before the first library is imported."""
    import_nothing_from_the_working_folder()
    from forebay.cli.main import group

    group.main(prog_name="forebay")
