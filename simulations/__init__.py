"""The same core on a fake clock in a seeded world, and the demo."""
