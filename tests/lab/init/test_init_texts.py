"""The init lab is in one language: no word of another is left on any widget."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator

import ipywidgets as w
import pytest
from torch import nn

from brickbook.errors import ConfigError
from brickbook.i18n import Texts
from brickbook.init.initializers import INITIALIZERS
from brickbook.init.presets import presets
from brickbook.lab import InitLab
from brickbook.lab.form import fields_of

CHINESE = Texts("zh")
LETTERS = re.compile("[\u4e00-\u9fff\uff00-\uffef]")
# The tables of the init lab; those of the grid and the builder are older and apart.
OWN = {"init", "plan", "done", "detail", "counting", "diagnosis", "live", "export", "rules",
       "place", "variants", "form", "preset"}  # fmt: skip
CFG = [
    {"type": "Normal", "std": 0.1, "layer": ["Conv2d"], "override": {"name": "3", "type": "Zeros"}},
    {"type": "Xavier", "distribution": "uniform", "layer": ["Linear"]},
    {"type": "Constant", "val": 1, "layer": ["BatchNorm2d"]},
]
# What is no word of a language: names of torch, of laws and of people, keys, units.
NAMES = frozenset({
    "torch", "Python", "ReLU", "tanh", "SELU", "Kaiming", "Xavier", "LeCun", "Caffe2", "fan_in",
    "fan_out", "focal", "undo_budget", "NaN", "Inf", "Enter", "Esc", "std", "re", "float32",
    "HTML", "CSV", "JSON", "SVG", "PNG", "last_error", "init_cfg", "override", "static",
    # what the arguments of laws are explained with
    "BaseInit", "CPU", "GRU", "LSTM", "auto", "brickbook", "calculate_gain", "channels", "classes",
    "dict", "ema", "load_checkpoint", "nn", "params", "positions", "state", "teacher",
})  # fmt: skip


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(),
        nn.Linear(8 * 4 * 4, 4),
    )  # fmt: skip


def widgets(part: w.Widget) -> Iterator[w.Widget]:
    yield part
    for child in getattr(part, "children", ()):
        yield from widgets(child)


def plain(text: str) -> str:
    """The text of some HTML, and of its attributes for readers who do not see it."""
    spoken = re.findall(r'(?:aria-label|title|alt)="([^"]*)"', text)
    return html.unescape(" ".join([re.sub(r"<[^>]*>", " ", text), *spoken]))


def seen(part: w.Widget) -> Iterator[str]:
    """Yield what can be read on one widget."""
    yield from (getattr(part, name, None) or "" for name in ("description", "placeholder"))
    yield getattr(part, "tooltip", None) or ""
    yield from getattr(part, "titles", ())
    if isinstance(part, (w.Dropdown, w.Combobox)):
        yield from (item if isinstance(item, str) else item[0] for item in part.options)
    elif isinstance(part, (w.HTML, w.Label)):
        yield plain(part.value)
    if (meta := getattr(part, "meta", None)) is not None:
        for text in meta["texts"].values():
            yield from [text] if isinstance(text, str) else text.values()
        yield from (item.get("note", "") for item in meta["cells"])
    if (figure := getattr(part, "_data", None)) is not None:
        yield from (trace.get("name", "") for trace in figure)
        yield from (plain(re.sub(r"%\{[^}]*\}", "", t.get("hovertemplate", ""))) for t in figure)
        yield from (part._layout[axis]["title"]["text"] for axis in ("xaxis", "yaxis"))


def busy_panel(language: str | None) -> InitLab:
    """A panel in which everything is unfolded, and much was done."""
    lab = InitLab(net(), init_cfg=CFG, seed=3, exact_up_to=10, language=language)
    lab.counting.worker.wait(20)
    lab.plan_view.disclosure.unfolded = True
    for card in lab.rules.cards:
        card.initializer.arrange(expanded=True)
    lab.variants.keep.click()
    lab.rules.seed.value = ""
    lab.rules.add.click()
    lab.rules.cards[-1].add.click()
    lab.variants.keep.click()
    lab.toolbar.initialize.click()
    lab.grid.selected = "0.weight"
    lab.diagnosis.disclosure.unfolded = True
    lab.diagnosis.progress.worker.wait(20)
    lab.diagnosis.shape.value = "4, 3, 8, 8"
    lab.diagnosis.run.click()
    lab.diagnosis.progress.worker.wait(20)
    return lab


def names_of(lab: InitLab) -> set[str]:
    """Every name that may be on the panel."""
    found = {lab.name, type(lab.model).__name__, *NAMES, *INITIALIZERS.module_dict}
    found |= {word for name in presets() for word in re.findall(r"\w+", name)}
    found |= set(lab.rules.classes.counts) | set(lab.rules.classes.other_names)
    found |= {key for name, _ in lab.model.named_parameters() for key in name.split(".")}
    for make in INITIALIZERS.module_dict.values():
        for field in fields_of(make):
            found |= {field.name, *map(str, field.choices), *re.findall(r"\w+", str(field.default))}
    return found | {"True", "False", "None"}


def test_the_arguments_of_a_law_are_explained_in_the_readers_language():
    said = {"en": "The standard deviation, 0 or more.", "zh": "标准差，不小于 0。"}
    for language, text in said.items():
        lab = InitLab(net(), init_cfg=[CFG[0]], language=language)
        lab.rules.lines[0].click()
        assert text in [line for part in widgets(lab) for line in seen(part)]
        lab.close()


def test_a_chinese_panel_has_no_english_word(monkeypatch):
    monkeypatch.setenv("BRICKBOOK_LANGUAGE", "en")  # the option goes before it
    lab = busy_panel("zh")
    known = names_of(lab)
    strange: dict[str, list[str]] = {}
    for part in widgets(lab):
        for text in seen(part):
            rest = re.sub(r"\{\w+\}", "", text)
            left = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]+", rest)) - known
            if left:
                strange[text] = sorted(left)
    assert strange == {}
    lab.close()


def test_an_english_panel_has_no_chinese_word(monkeypatch):
    monkeypatch.setenv("BRICKBOOK_LANGUAGE", "zh")
    lab = busy_panel("en")
    texts = [text for part in widgets(lab) for text in seen(part)]
    assert [text for text in texts if LETTERS.search(text)] == []
    assert len(texts) > 300
    lab.close()


def test_no_english_sentence_of_the_init_lab_stands_twice():
    own = {key: text for key, text in Texts("en").items() if key.split(".")[0] in OWN}
    twice: dict[str, list[str]] = {}
    for key, text in own.items():
        twice.setdefault(text, []).append(key)
    assert [keys for keys in twice.values() if len(keys) > 1] == []


def test_the_reader_s_language_is_the_panel_s(monkeypatch):
    monkeypatch.setenv("BRICKBOOK_LANGUAGE", "zh")
    lab = InitLab(net(), init_cfg=CFG)
    assert lab.texts.language == lab.grid.meta["language"] == "zh"
    assert lab.title.value == "model：Sequential，8 个参数，1.3 k 个值"
    assert repr(lab) == "InitLab(model: 8 个参数)"
    lab.close()
    with pytest.raises(ValueError) as caught:
        InitLab(net(), language="fr")
    assert str(caught.value) == "language: unknown language 'fr'. Known: en, zh."


def test_what_was_done_is_shown():
    names: dict[str, object] = {"other": 1}
    lab = InitLab(net(), init_cfg=CFG, seed=3, language="zh", namespace=names)
    shown = []
    for press in (lab.apply, lab.undo, lab.redo):
        press()
        shown.append(lab.toolbar.status.text)
    assert shown == [
        "已初始化（种子 3）：8 个按分布写入。",
        "已撤销：权重恢复为之前的值。",
        "已重做：权重恢复为撤销前的值。",
    ]
    with pytest.raises(ConfigError, match="redo: 没有可以重做的操作。"):
        lab.redo()
    names["model"] = net()
    with pytest.raises(ConfigError):
        lab.apply()
    assert lab.toolbar.status.text == (
        "`model` 现在是另一个模型；此面板显示的仍是之前的模型。请换成新的，或重新运行这个单元格。"
    )
    lab.close()


def test_what_is_wrong_is_shown_in_the_panel_s_language():
    lab = InitLab(net(), init_cfg=CFG, seed=3, language="zh", undo_budget=10)
    assert lab.plan_view.problems.text == (
        "这一步将无法撤销：旧权重占用 5.4 kB，超出 10B 的预算（undo_budget）。"
    )
    lab.rules.seed.value = "x"
    assert lab.plan_view.summary.text == "修正以下问题之后才能初始化："
    assert lab.plan_view.problems.text == "种子：应为整数或留空，实际为 'x'。"
    lab.rules.seed.value = ""
    lab.rules.cards[0].initializer.form["std"].control.value = "-1"
    assert lab.plan_view.problems.text == "规则 1，std：应为：不小于 0 的有限数，实际为：-1。"
    lab.rules.cards[0].initializer.form["std"].control.value = "1"
    lab.rules.cards[0].overrides[0].name.value = "3.wieght"
    assert (
        lab.plan_view.problems.text == "规则 1，覆盖，名称：'3.wieght' 不是模块。您是否要找 '3'？"
    )
    lab.close()


def test_no_box_has_a_tooltip():
    """A page that is given one draws an error in place of the box."""
    lab = busy_panel("en")
    boxes = [part for part in widgets(lab) if isinstance(part, w.Box)]
    assert [box for box in boxes if box.tooltip] == [] and len(boxes) > 30
    lab.close()


def test_what_stands_without_a_kernel_is_chinese_too():
    lab = InitLab(net(), init_cfg=CFG, seed=3, language="zh")
    assert repr(lab.static()) == "model：Sequential，8 个参数，1.3 k 个值。尚未初始化。"
    lab.apply()
    shown = lab.static()
    assert (
        repr(shown)
        == "model：Sequential，8 个参数，1.3 k 个值。已初始化（种子 3）：8 个按分布写入。"
    )
    [picture] = re.findall(r"base64,([^\"]+)", shown.html)
    drawn = plain(base64.b64decode(picture).decode())
    known = names_of(lab) | set(re.findall(r"\w+", " ".join(lab.comparison)))
    for text in (plain(shown.html), drawn, plain(lab.fallback_html())):
        left = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]+", text)) - known
        assert left == set()
    assert "预期 0.1" in drawn and "●\u00a0已改变" in shown.html and "显示为表格" in shown.html
    lab.close()
