"""Where a line is typed: a shell, or a notebook and plain IPython, each loaded by itself."""
