"""What can be rented: reads clouds into the store, turns evidence of stock into launch caps, and assembles the snapshot.

Knows the domain's ports. Must not know SQL, a particular cloud, or what the optimizer does with a snapshot.
"""
