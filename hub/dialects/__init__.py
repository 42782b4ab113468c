"""The languages of the vendors' APIs: what their clients send, and how they want to be answered."""
