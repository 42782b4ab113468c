"""Documents as passages: one file a format, and `known` lists them."""
