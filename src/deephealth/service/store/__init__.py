"""What the service keeps: rows in one database, films and models by content in one folder."""
