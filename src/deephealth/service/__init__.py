"""The service: REST, jobs and the page over `pipeline` and `inference`. Needs the extra deephealth[serve]."""
