"""Evaluating a model outside any run: which rows are held out, and where the result goes."""
