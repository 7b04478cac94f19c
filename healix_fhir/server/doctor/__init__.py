"""What `healix doctor` looks at: one finding for each thing, without patients' data and secrets."""
