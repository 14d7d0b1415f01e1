"""Fleets too large for one program: one covering question for each deployment, and prices that make them share the nodes.

Dantzig-Wolfe decomposition: ``fleet`` and ``blocks`` cut the problem up, ``cover`` answers one block exactly (``cuts`` make its
relaxation tight), ``master`` finds the prices and the bound they prove, ``assemble``, ``merge`` and ``improve`` make whole nodes
of it, ``certificate`` tells the prices to whoever wants to recompute the bound.
"""
