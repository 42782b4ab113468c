"""Learning from tables: reading them, finding what gives the outcome away, training, evaluating, scoring."""
