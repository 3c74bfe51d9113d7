"""Sources that somebody wrote: their records are spooled to files, and read from there as those of any other source."""
