"""The Read page's endpoints: films in, answers out, nothing kept."""
