"""Archives, which are opened without trust."""
