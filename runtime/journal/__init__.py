"""The durable log of threads, runs and events, LangGraph's checkpoints, and the process that writes them."""
