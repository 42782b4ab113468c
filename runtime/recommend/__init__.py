"""Personalization: what users did, the models that are fitted to it, and the lists made from them."""
