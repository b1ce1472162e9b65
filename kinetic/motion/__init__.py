"""Sets of motions, and the operations on them."""
