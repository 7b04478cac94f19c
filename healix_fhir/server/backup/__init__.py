"""Backups: rows of one snapshot and blobs by their keys, in a file, a folder or a bucket, and what is made of them."""
