"""The composition root: reads settings, finds providers by entry point, wires everything once and runs the roles."""
