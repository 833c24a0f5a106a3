"""A form for the arguments of any callable."""

from brickbook.lab.form.field_doc import FieldDoc
from brickbook.lab.form.fields import Field, fields_of, parse_field, strip_markup
from brickbook.lab.form.form import Form
from brickbook.lab.form.rows import input_errors
from brickbook.lab.form.suggest import default_blueprint, suggest

__all__ = [
    "Field",
    "FieldDoc",
    "Form",
    "default_blueprint",
    "fields_of",
    "input_errors",
    "parse_field",
    "strip_markup",
    "suggest",
]
