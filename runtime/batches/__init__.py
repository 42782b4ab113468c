"""Batches: the rows of a table, each a run of one version of a graph, all of them durable."""
