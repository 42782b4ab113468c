"""Measures Hubbub beside its floor, in one run: `make bench`."""
