"""The search for good settings: trials of one study, judged by validation rows. Optuna is imported in functions."""
