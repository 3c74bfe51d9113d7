"""Images without labels, as batch prediction takes them: indexed, decoded by Spark, brought to the size of a model."""
