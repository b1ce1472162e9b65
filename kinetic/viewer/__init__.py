"""Pages to look at in a browser: motions to play and turn, beside tables and pictures."""
