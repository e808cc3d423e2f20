"""Runs stages in order, skips what has not changed, and keeps a second copy from writing at the same time."""
