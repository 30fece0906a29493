"""Projects: classes of films that a person collects, looks through and teaches a model with."""
