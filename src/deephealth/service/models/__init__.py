"""Which models there are, which one answers, and what is known of each."""
