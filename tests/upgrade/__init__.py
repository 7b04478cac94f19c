"""The version before this one on the schema of this one: `make upgrade PREVIOUS=v0.1.0`."""
