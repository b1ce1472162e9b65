"""Comparisons of motions with real ones: scores beside their floor, alarms, notes and reports."""
