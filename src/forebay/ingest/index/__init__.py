"""The index of a source: which images there are, where their bytes lie, and which task reads them."""
