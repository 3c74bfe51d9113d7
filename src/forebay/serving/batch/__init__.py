"""Batch prediction: a model's answers for decoded images, part by part, and the two tables that they become.

Ingest decodes the images (`forebay.ingest.unlabelled`) as the server does. On this machine `forebay.local.batch` puts
both together; on a cluster the batch pipeline does, whose steps are `fetch_model`, decode and `step`.
"""
