"""Numbers by which a learner tells cells and periods apart; each uses only periods before the one it describes."""
