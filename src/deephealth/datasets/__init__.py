"""Sets of films: where they lie, what they hold, how they are split, balanced, and checked for leakage. Nothing here knows of models."""
