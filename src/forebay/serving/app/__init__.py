"""The ASGI application: inference, the repository index, health, metadata, metrics and the OpenAPI document."""
