"""The only writer of files: every write goes to a temporary name and is then moved."""
