"""A LangGraph application as people have them; tests copy it and serve it."""
