"""Engines on Ray: the only package that imports Ray. ``actor`` runs beside each engine, ``fleet`` inside the agent."""
