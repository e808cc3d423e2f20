"""The data honesty report: what is wrong with the records, and what it does to results."""
