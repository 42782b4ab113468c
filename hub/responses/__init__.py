"""Responses that outlive their request: come back to, cancelled, and gone on from."""
