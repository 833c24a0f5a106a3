from __future__ import annotations

import enum
import sys
from types import SimpleNamespace

import pytest

from brickbook.checkpoint import MissingPackageError, locate
from brickbook.checkpoint.zoo import torchvision_url
from brickbook.errors import (
    BadArgumentError,
    ConfigError,
    MissingFileError,
    UnknownNameError,
)

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def folder(tmp_path):
    for name in ("resnet50.pth", "vgg16.safetensors", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_local_file(folder, monkeypatch):
    file = folder / "resnet50.pth"
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    assert locate(str(file)) == locate(file) == locate("~/resnet50.pth") == file
    assert locate("resnet50.pth").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{}/resnet5.pth", "{}/resnet5.pth can not be found. Did you mean 'resnet50.pth'?"),
        (
            "{}/deit.bin",
            "{}/deit.bin can not be found. Known: resnet50.pth, vgg16.safetensors.",
        ),
        ("{}/note.txt", "{}/note.txt can not be found. Did you mean 'notes.txt'?"),
        ("{}/empty/a.pth", "{}/empty/a.pth can not be found."),
        ("{}/no/a.pth", "{}/no/a.pth can not be found. There is no folder {}/no."),
        ("{}/empty", "{}/empty is a folder; a checkpoint is a file."),
        ("{}", "{} is a folder; a checkpoint is a file. Known: resnet50.pth, vgg16.safetensors."),
        (
            "~nobody-here/a.pth",
            "~nobody-here/a.pth can not be found. There is no folder ~nobody-here.",
        ),
        ("x" * 300, "x" * 300 + " can not be found. File name too long."),
        (
            "htp://a/b.pth",
            "htp://a/b.pth can not be found: htp:// is no known scheme. Did you mean 'http'?",
        ),
        (
            "gs://a/b.pth",
            "gs://a/b.pth can not be found: gs:// is no known scheme. "
            "Known: http, https, modelzoo, torchvision.",
        ),
    ],
)
def test_nothing_there(name, message, folder):
    with pytest.raises(MissingFileError) as caught:
        locate(name.format(folder), "init_cfg.checkpoint")
    assert str(caught.value) == f"init_cfg.checkpoint: {message.format(folder, folder)}".rstrip()
    assert isinstance(caught.value, FileNotFoundError)


def test_empty_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(MissingFileError) as caught:
        locate("")
    assert str(caught.value).startswith("checkpoint: '' can not be found.")


@pytest.mark.parametrize("name", [None, 3, ["a.pth"]])
def test_no_name(name):
    with pytest.raises(BadArgumentError) as caught:
        locate(name)
    assert str(caught.value) == f"checkpoint: expected a path or a URL, got {name!r}."


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("open-mmlab://resnet50_v1c", "open-mmlab://"),
        ("openmmlab://resnet50_v1c", "openmmlab://"),
        ("mmcls://vgg11", "mmcls://"),
        ("s3://bucket/a.pth", "s3://"),
        ("openmmlab:s3://bucket/a.pth", "openmmlab:s3://"),
        ("pavi://a", "pavi://"),
    ],
)
def test_schemes_of_a_later_version(name, scheme):
    with pytest.raises(ConfigError) as caught:
        locate(name, "init_cfg.checkpoint")
    assert str(caught.value) == (
        f"init_cfg.checkpoint: {name} can not be read: this version does not know {scheme} yet. "
        "Download the file and give its path."
    )


# torchvision


class ResNet50_Weights(enum.Enum):  # noqa: N801  (torchvision's spelling)
    IMAGENET1K_V1 = "v1"
    IMAGENET1K_V2 = "v2"
    DEFAULT = IMAGENET1K_V2


class Bare_Weights(enum.Enum):  # noqa: N801
    pass


@pytest.fixture
def torchvision(server, monkeypatch):
    """A torchvision that publishes on the local server."""
    urls = {word: server.put(f"resnet50-{word}-#.pth", word.encode()) for word in ("v1", "v2")}
    monkeypatch.setattr(ResNet50_Weights, "url", property(lambda each: urls[each.value]), False)
    known = {"resnet50": ResNet50_Weights, "bare": Bare_Weights}
    models = SimpleNamespace(list_models=lambda: list(known), get_model_weights=known.__getitem__)
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(models=models))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    return urls


SPELLINGS = {
    "resnet50": "v1",
    "ResNet50": "v1",
    "resnet50.imagenet1k_v1": "v1",
    "resnet50.imagenet1k_v2": "v2",
    "ResNet50_Weights.IMAGENET1K_V1": "v1",
    "ResNet50_Weights.IMAGENET1K_V2": "v2",
    "resnet50.default": "v2",
    "ResNet50_Weights.DEFAULT": "v2",
}


@pytest.mark.parametrize(("name", "word"), SPELLINGS.items())
def test_torchvision_names(name, word, torchvision):
    file = locate(f"torchvision://{name}")
    assert file.read_bytes() == word.encode()
    assert file.name == torchvision[word].rpartition("/")[2]


def test_modelzoo_is_torchvision(torchvision):
    with pytest.warns(DeprecationWarning) as caught:
        file = locate("modelzoo://resnet50")
    assert file == locate("torchvision://resnet50")
    assert [str(each.message) for each in caught] == [
        "modelzoo:// is the old spelling of torchvision://."
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5", "torchvision has no model 'resnet5'. Did you mean 'resnet50'?"),
        ("swin", "torchvision has no model 'swin'. Known: bare, resnet50."),
        (
            "resnet50.imagenet1k_1",
            "torchvision has no weights 'imagenet1k_1' for resnet50. Did you mean 'imagenet1k_v1'?",
        ),
        ("bare", "torchvision has no weights '' for bare."),
    ],
)
def test_torchvision_does_not_list(name, message, torchvision):
    with pytest.raises(UnknownNameError) as caught:
        locate(f"torchvision://{name}", "init_cfg.checkpoint")
    assert str(caught.value) == f"init_cfg.checkpoint: {message}"


def test_without_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(MissingPackageError) as caught:
        locate("torchvision://resnet50")
    assert str(caught.value) == (
        "checkpoint: torchvision://resnet50 needs torchvision, which cannot be imported: import of "
        "torchvision.models halted; None in sys.modules. Install the torchvision that goes with "
        "this torch, or download the file and give its path."
    )
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet50", "resnet50-0676ba61.pth"),
        ("ResNet50_Weights.IMAGENET1K_V1", "resnet50-0676ba61.pth"),
        ("resnet50.default", "resnet50-11ad3fa6.pth"),
        ("ViT_B_16_Weights.IMAGENET1K_V1", "vit_b_16-c867db91.pth"),
        ("mnasnet0_5", "mnasnet0.5_top1_67.823-3ffadce67e.pth"),
    ],
)
def test_real_torchvision(name, file):
    pytest.importorskip("torchvision_support").import_torchvision()
    assert torchvision_url(name) == f"https://download.pytorch.org/models/{file}"
