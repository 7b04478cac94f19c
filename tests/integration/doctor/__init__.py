"""What `healix doctor` finds."""
