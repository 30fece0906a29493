"""Use a model: one film or many, refused or answered, as a table, JSON, CSV or a picture."""
