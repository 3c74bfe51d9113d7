"""Whether and when a request is processed: limits, memory, queues, and the reasons for which load is shed."""
