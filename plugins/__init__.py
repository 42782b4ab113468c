"""The first-party plugins, each written exactly as a user's drop-in file."""
