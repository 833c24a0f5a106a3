"""What a user's own files make, and where in them an error came up, each loaded by itself."""
