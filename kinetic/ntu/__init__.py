"""NTU RGB+D: its facts, its raw recordings, and sets built from them."""
