"""The front door: HTTP, sockets and the command line."""
