"""Two models on the same films: paired differences, tests, verdict, page."""
