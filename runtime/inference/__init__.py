"""Trained models: the folder they are kept in, and how they are loaded, called and watched."""
