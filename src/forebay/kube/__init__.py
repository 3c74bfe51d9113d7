"""Talking to a Kubernetes API server. Importing this package is cheap; the client is imported with the first use."""
