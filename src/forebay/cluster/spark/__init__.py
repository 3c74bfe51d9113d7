"""Ingest with executors: a SparkApplication of the Spark Operator."""
