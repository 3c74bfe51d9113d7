"""Training on several machines: the processes that torchrun starts in them, and how folders reach them."""
