"""Plugins: found, checked, loaded, kept in a snapshot that requests read, and called behind a guard."""
