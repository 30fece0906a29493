"""Making and judging the model that ships: five folds by patient, the file itself, and what its card and docs/shipped-model.md say."""
