"""The whole product as its users meet it: ``headrace demo`` in a process of its own, seen through its commands and ports only."""
