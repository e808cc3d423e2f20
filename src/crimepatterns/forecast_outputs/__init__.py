"""What is made of the champions' forecasts besides maps of single categories: one file per output."""
