"""From incident records to hot spots, forecasts of places and times, patrol plans and honest scorecards."""
