"""The rules of the init lab, one line each, with a form for the one that is open."""
