"""Values turned into pages and tables that people read; every function returns a string."""
