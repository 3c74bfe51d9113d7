"""The inference server, and what the command line and the deploy step need to ask it; importing this is cheap."""
