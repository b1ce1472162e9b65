"""Readers of other people's files of motions."""
