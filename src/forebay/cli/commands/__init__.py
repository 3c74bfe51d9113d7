"""The commands, one module per group; `forebay.cli.main` imports the one that is called."""
