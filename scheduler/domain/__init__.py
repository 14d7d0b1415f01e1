"""The nouns and rules of capacity routing: values, transition tables, errors and ports.

Standard library only. Nothing here reads a clock, a file, a socket or the environment; time is always an argument.
"""
