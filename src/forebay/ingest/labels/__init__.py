"""Labels that stand in tables, and the words that name a side of a split."""
