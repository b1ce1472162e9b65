"""Measures of generated motions: functions first, torchmetrics around them."""
