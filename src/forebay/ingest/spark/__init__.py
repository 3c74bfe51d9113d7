"""What runs in Spark: the session, the two passes, and where tasks put what others take up."""
