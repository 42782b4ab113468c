"""Runs: the live event channel of a thread, the queue, the worker, and the threads they belong to."""
