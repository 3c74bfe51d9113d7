"""The server process: it serves a state folder or a folder of bundles until SIGTERM."""
