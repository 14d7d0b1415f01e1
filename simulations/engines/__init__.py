"""Engines that play a part: cheap, deterministic stand-ins for GPU engines, as processes of their own."""
