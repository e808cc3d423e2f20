"""What to do with a forecast: where patrols go, when, and what a cap costs."""
