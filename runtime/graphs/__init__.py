"""The life of a graph file: read, checked, compiled to LangGraph, kept by version."""
