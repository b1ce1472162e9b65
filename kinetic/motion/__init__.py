"""Sets of motions, and what is done to them."""
