"""The search box: types by a few letters, and the arguments that are typed behind them."""

from brickbook.lab.builder.search.box import SearchBox
from brickbook.lab.builder.search.find import Found, find_types, read_request

__all__ = ["Found", "SearchBox", "find_types", "read_request"]
