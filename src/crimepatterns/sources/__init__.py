"""Where incident records come from: one file per kind of feed, and a registry."""
