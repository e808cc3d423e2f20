"""The nouns of the product: frozen, checked once in their constructors, then trusted."""
