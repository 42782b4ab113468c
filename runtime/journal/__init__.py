"""The durable log of threads, runs and events, LangGraph's checkpoints, and the one process that writes them."""
