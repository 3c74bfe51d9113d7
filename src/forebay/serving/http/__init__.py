"""Between the socket and the model: HTTP within limits, and the inference protocols as pure functions."""
