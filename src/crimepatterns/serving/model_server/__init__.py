"""The model server: stored forecasts, explanations and scorecards at once, stored learners once they are loaded."""
