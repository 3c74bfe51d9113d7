"""Spark: its session, the passes over all images, and the storage through which tasks pass files on."""
