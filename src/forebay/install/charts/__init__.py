"""The chart and the manifests: where they lie, the values that they get, and what they render to."""
