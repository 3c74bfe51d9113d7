"""The inference protocols V1 and V2 (JSON and binary tensors) as pure functions: bytes in, bytes out.

Specification: https://kserve.github.io/website (V1, and the Open Inference Protocol with its binary tensor extension).
Tensors are read and written as whole buffers; nothing here iterates over pixels in Python.
"""
