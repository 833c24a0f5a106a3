"""The tables of the README are what the registries hold.

To write them anew: ``python tests/test_readme.py``.
"""

import inspect
import re
from pathlib import Path

import pytest

from brickbook import INITIALIZERS, MODELS

README = Path(__file__).parent.parent / "README.md"
BUILDERS = {
    "conv": "build_conv_layer",
    "norm": "build_norm_layer",
    "activation": "build_activation_layer",
    "padding": "build_padding_layer",
    "upsample": "build_upsample_layer",
    "plugin": "build_plugin_layer",
    "drop": "build_dropout",
    "attention": "build_attention",
    "ffn": "build_feedforward_network",
    "transformer_layer": "build_transformer_layer",
    "transformer": "build_transformer_layer_sequence",
}


def words(registry):
    return ", ".join(f"`{name}`" for name in registry.module_dict)


def bricks():
    rows = ["| kind | builder | types |", "|---|---|---|"]
    rows += [
        f"| {kind} | `{BUILDERS[kind]}` | {words(registry)} |"
        for kind, registry in MODELS.children.items()
        if kind in BUILDERS
    ]
    return "\n".join((*rows, f"| whole models | `Blueprint`, `MODELS.build` | {words(MODELS)} |"))


def initialisers():
    rows = ["| type | arguments (defaults) | weights |", "|---|---|---|"]
    for name, kind in INITIALIZERS.module_dict.items():
        own = ", ".join(
            f"`{item}`".split(":")[0]
            + (f"={item.default!r}`" if item.default is not item.empty else "`")
            for key, item in inspect.signature(kind).parameters.items()
            if key not in ("bias", "bias_prob", "layer", "in_axis", "out_axis", "batch_axis")
        )
        law = inspect.getdoc(kind).splitlines()[0].replace("``", "`")
        rows.append(f"| `{name}` | {own or 'none'} | {law} |")
    return "\n".join(rows)


MADE = {"bricks": bricks, "initialisers": initialisers}


def marked(name):
    return re.compile(rf"(<!-- {name}: [^\n]*-->\n)(.*?)(<!-- end of {name} -->)", re.S)


@pytest.mark.parametrize("name", MADE)
def test_the_tables_are_those_of_the_registries(name):
    found = marked(name).search(README.read_text(encoding="utf-8"))
    assert found.group(2).strip() == MADE[name]().strip()


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    for name, make in MADE.items():
        start, old, end = marked(name).search(text).groups()
        text = text.replace(f"{start}{old}{end}", f"{start}\n{make()}\n\n{end}")
    README.write_text(text, encoding="utf-8")
