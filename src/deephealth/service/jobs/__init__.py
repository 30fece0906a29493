"""Jobs: work that takes longer than a request, each in a process of its own."""
