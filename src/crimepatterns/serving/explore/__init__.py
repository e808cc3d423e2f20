"""Free questions about incidents: filters, counts, tables, tiles, downloads, each within what the caller may see."""
