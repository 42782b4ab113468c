"""What a tenant's graphs and applications remember across threads: items with a namespace and a key."""
