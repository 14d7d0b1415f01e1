"""The inventory: polls, launch caps, snapshots."""
