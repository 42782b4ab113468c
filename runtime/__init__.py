"""The engine: graphs, plugins, runs, search and the journal; it knows no HTTP and no sockets."""
