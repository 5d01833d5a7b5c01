"""Measured numbers as the tables and pages that people read."""
