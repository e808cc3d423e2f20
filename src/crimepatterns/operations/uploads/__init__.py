"""Uploaded incident files: received, looked at, confirmed by a person, and made a city; or removed without a trace."""
