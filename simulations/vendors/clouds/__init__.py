"""One module per cloud: its fake."""
