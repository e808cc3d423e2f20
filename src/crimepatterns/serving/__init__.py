"""The web page and its API: stored results out through HTTP, read-only."""
