"""Where a line is typed and completed: a shell, a notebook and plain IPython."""
