"""Changes of a model that is built."""
