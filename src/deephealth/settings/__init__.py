"""How this process runs: limits, threads, the cache, atomic writes, progress. Nothing here knows about films."""
