"""A form for the arguments of any callable."""

from brickbook.lab.form.fields import Field, fields_of, strip_markup
from brickbook.lab.form.form import Form
from brickbook.lab.form.rows import input_errors
from brickbook.lab.form.suggest import default_blueprint, suggest

__all__ = [
    "Field",
    "Form",
    "default_blueprint",
    "fields_of",
    "input_errors",
    "strip_markup",
    "suggest",
]
