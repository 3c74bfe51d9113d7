"""What passes between two steps: the row table, the manifests, the shards and the model bundle."""
