"""The model bundle: its files, the rules of each, and one digest over all of them."""
