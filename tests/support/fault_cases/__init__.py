"""Faults and what each step makes of them: `table` lists the cases, `tests/faults` tries them."""
