"""What the manifest says about a dataset: its name, its classes, and what a person should know."""
