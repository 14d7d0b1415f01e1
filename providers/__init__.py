"""One folder per cloud. See README.md for how to write one."""
