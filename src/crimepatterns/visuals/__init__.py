"""Pictures of results: every function takes a value and returns a figure; nothing is computed or written here."""
