"""Figures as people tell them: how they are written and read again, and which days a period has."""
