"""Ingest on many machines: what the driver of a SparkApplication does, whose pods run this package's container image.

`forebay.cluster.spark` creates the SparkApplication, waits for it and downloads the result. The driver's pod (`driver`)
does what the step would have done in its own process; both exchange files in the object store (`exchange`).
"""
