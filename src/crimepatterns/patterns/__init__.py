"""Where incidents gather, and whether that is more than chance: values in, surfaces and clusters out."""
