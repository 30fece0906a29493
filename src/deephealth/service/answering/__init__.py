"""Films are read and models are run in processes of their own, so that no file, however broken, can harm the service."""
