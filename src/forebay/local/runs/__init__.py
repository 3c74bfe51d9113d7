"""Running the compiled pipeline on this machine, and reading what happened from the steps' events."""
