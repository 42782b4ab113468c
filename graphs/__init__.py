"""Graph files that come with Hubbub."""
