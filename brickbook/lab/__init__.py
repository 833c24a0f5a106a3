"""Panels for a notebook: controls and painting, no decisions."""
