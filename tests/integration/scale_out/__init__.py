"""Several nodes over one database with a standby."""
