"""What a forecast run notes about itself, so that it can be made again byte for byte."""
