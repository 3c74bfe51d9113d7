"""This machine as the place where pipelines run and models are served."""
