"""What is shipped for running headrace elsewhere."""
