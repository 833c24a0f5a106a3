"""What pictures and tables show, as data."""
