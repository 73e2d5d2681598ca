"""Fuzzing of the intake; see README.md in this folder."""
