"""The ASGI application: inference and the repository index; everything else goes to the KServe SDK's application."""
