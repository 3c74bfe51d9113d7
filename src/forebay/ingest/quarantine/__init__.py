"""The quarantine table: the images that ingest did not take, and what is said about them."""
