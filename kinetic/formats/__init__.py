"""Readers of motion files in many formats."""
