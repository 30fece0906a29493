"""Can the labels be told without the lungs? The light audit of a data set, and the deep one with a model's own backbone."""
