"""Reading what a user wrote: a call checked against its signature, literals of Python."""

from brickbook.config.literals import (
    is_plain_word,
    is_python,
    parse_literal,
    parse_shape,
    to_literal,
    to_quoted_literal,
)
from brickbook.config.signature import (
    call,
    callable_without_args,
    check_parts,
    copy_config,
    matches_type,
    name_of,
    registry_key,
    require_number,
    required_arguments,
    signature_of,
    source_location,
    type_text,
    unwrap_partial,
)

__all__ = [
    "call",
    "callable_without_args",
    "check_parts",
    "copy_config",
    "is_plain_word",
    "is_python",
    "matches_type",
    "name_of",
    "parse_literal",
    "parse_shape",
    "registry_key",
    "require_number",
    "required_arguments",
    "signature_of",
    "source_location",
    "to_literal",
    "to_quoted_literal",
    "type_text",
    "unwrap_partial",
]
