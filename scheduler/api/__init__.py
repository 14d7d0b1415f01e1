"""The REST API: what people and cluster agents send, checked at the door and turned into domain values."""
