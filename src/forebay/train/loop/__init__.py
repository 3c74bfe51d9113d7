"""The training loop, and the state that it changes from step to step."""
