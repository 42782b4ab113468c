"""The addresses of the hub, one module for each thing they are about."""
