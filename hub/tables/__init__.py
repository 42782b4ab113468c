"""Tables of inputs as people have them: CSV, JSON Lines, Parquet; each row with the line it is in."""
