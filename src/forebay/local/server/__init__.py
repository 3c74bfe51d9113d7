"""The server of a state folder on this machine: started, kept running, asked for models, and ended."""
