"""The inference protocols V1 and V2 as pure functions: bytes in, bytes out."""
