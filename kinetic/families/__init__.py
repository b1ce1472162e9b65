"""Families of models: what each is trained from, how it is built, watched and sampled, and the table of them all."""
