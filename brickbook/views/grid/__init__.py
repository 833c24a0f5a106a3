"""The histogram grid: payload and scripts."""
