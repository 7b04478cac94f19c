"""What is put before the modules of an earlier version while its tests run."""
