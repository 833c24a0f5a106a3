"""Build PyTorch models from config dicts, see how they start, and look at their numbers."""

__version__ = "0.1.0"
