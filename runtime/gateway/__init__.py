"""One road to every model: aliases, attempts, fallback, deadlines, cost and spans."""
