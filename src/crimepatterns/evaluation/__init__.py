"""How good a forecast was: catch, calibration, comparison and who bears it; it judges whatever fits the protocol."""
