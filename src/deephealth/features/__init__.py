"""Films to features: preprocessing inside the graph, named backbones, cached extraction, augmented views."""
