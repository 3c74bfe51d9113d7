"""The local model server and what the command line needs to run it; importing this package loads nothing heavy."""
