"""Ways of forecasting how many incidents each cell will see; every one knows only the history it is given."""
