"""What runs inside a cluster: the head, the nodes, the agent and the engines. Only ``runtime.host`` knows Ray."""
