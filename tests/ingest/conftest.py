"""One Spark session for the area, and a short way to run the step."""

from support.ingest_runs import run_ingest, s3, spark

__all__ = ["run_ingest", "s3", "spark"]  # fixtures
