"""A batch on this machine: everything in some sources becomes one table, without a server.

A part of it is done when its file is there, so a killed batch goes on with the next one.
"""
