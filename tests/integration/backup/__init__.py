"""Backups of a database and an archive, and what is restored of them."""
