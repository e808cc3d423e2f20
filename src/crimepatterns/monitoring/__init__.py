"""Watching what is served: drift of the records, outcomes of matured forecasts, and evidence of being worse."""
