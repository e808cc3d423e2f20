"""What monitoring does with one city: judging issued forecasts, and reading features for drift."""
