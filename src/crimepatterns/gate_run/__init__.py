"""One run of the gates: what is judged, and beside what."""
