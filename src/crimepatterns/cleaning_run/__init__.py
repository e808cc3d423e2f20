"""From raw copies to cleaned incidents on disk, and the erasure of records from both."""
