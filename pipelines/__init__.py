"""The pipelines, and their compiled form in `compiled/`."""
