"""Ingest on many machines: a SparkApplication whose driver and executors are this package's own image.

The step (`remote`) makes the object (`application`), waits, and fetches what came of it. The driver's pod (`driver`)
does what the step would have done in its own process; both speak over files in the object store (`exchange`).
"""
