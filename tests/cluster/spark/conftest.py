"""One Spark session to compare with, and a short way to run the step without executors."""

from support.ingest_runs import run_ingest, s3, spark

__all__ = ["run_ingest", "s3", "spark"]  # fixtures
