"""Labels in tables, and the names of splits."""
