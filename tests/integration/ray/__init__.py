"""Real Ray, real agents, real engines."""
