"""From raw values to incidents: a declared schema, one small function per rule, and an account of every row."""
