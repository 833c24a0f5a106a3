"""Names of published weights."""

from __future__ import annotations

import enum
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peers import import_peer
from torchvision_support import import_torchvision

from brickbook.checkpoint import CheckpointError, load_checkpoint, locate
from brickbook.checkpoint.cache import hash_in_name
from brickbook.checkpoint.schemes import read_checkpoint
from brickbook.checkpoint.zoo import (
    SCHEMES,
    find_weights,
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
    table,
    torchvision_url,
)
from brickbook.errors import MissingFileError, UnknownNameError

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")


# The tables


def test_there_are_as_many_names_as_mmcv_has():
    assert len(get_external_models()) == 48 + 2  # the two that mmcv's own table points to in vain
    assert len(get_mmcls_models()) == 57
    assert set(get_deprecated_model_names()) == {
        "resnet50_caffe", "resnet50_caffe_bgr", "resnet101_caffe", "resnet101_caffe_bgr",
    }  # fmt: skip


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_row_is_whole(scheme):
    known = table(scheme)
    for name in known:
        row = known[name]
        assert re.fullmatch(r"https://download\.(openmmlab\.com|pytorch\.org)/\S+\.pth", row.url)
        assert row.sha256 == hash_in_name(row.url)
        assert row.mib is None or 1 < row.mib < 10_000
        assert row.paper and re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}", row.paper)
    for name, target in {**known.aliases, **known.deprecated}.items():
        assert target in known.weights, name


def test_which_rows_promise_no_hash():
    bare = [each.qualified_name for scheme in SCHEMES for each in table(scheme).weights.values()
            if each.sha256 is None]  # fmt: skip
    assert bare == [
        "open-mmlab://mmedit/vgg16",
        "open-mmlab://mmedit/res34_en_nomixup",
        "open-mmlab://mmedit/mobilenet_v2",
        "torchvision://quantized_mobilenet_v2.imagenet1k_qnnpack_v1",
        "torchvision://quantized_resnet18.imagenet1k_fbgemm_v1",
        "torchvision://quantized_resnet50.imagenet1k_fbgemm_v1",
        "torchvision://quantized_resnext101_32x8d.imagenet1k_fbgemm_v1",
    ]


@pytest.mark.parametrize(
    ("file", "names"), [("openmmlab", get_external_models), ("mmcls", get_mmcls_models)]
)
def test_the_tables_are_those_of_mmengine(file, names):
    folder = Path(str(import_peer("mmengine").__file__)).parent
    theirs = json.loads((folder / "hub" / f"{file}.json").read_text())
    ours = names()
    assert {name: ours[name] for name in theirs} == theirs


def test_the_table_is_that_of_torchvision():
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    models = import_torchvision().models
    ours = get_torchvision_models()
    for name in models.list_models():
        weights = models.get_model_weights(name)
        for word, member in weights.__members__.items():
            for spelling in (f"{name}.{word}", f"{weights.__name__}.{word}"):
                if f"{name}.{word.lower()}" in ours:  # torchvision may be newer
                    assert find_weights("torchvision", spelling).url == member.url
        assert name not in ours or ours[name] == next(iter(weights)).url


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet50", "resnet50-0676ba61"),
        ("ResNet50", "resnet50-0676ba61"),
        ("resnet50.imagenet1k_v1", "resnet50-0676ba61"),
        ("ResNet50_Weights.IMAGENET1K_V1", "resnet50-0676ba61"),
        ("ResNet50_Weights.IMAGENET1K_V2", "resnet50-11ad3fa6"),
        ("resnet50.default", "resnet50-11ad3fa6"),
        ("ResNet50_Weights.DEFAULT", "resnet50-11ad3fa6"),
        ("ResNet50_QuantizedWeights.IMAGENET1K_FBGEMM_V2", "quantized/resnet50_fbgemm-23753f79"),
        ("shufflenetv2_x0.5", "shufflenetv2_x0.5-f707e7126e"),
        ("shufflenetv2_x1.5", "shufflenetv2_x1_5-3c479a10"),  # of which 0.12 had none
        ("inception_v3_google", "inception_v3_google-0cc3c7bd"),
        ("mnasnet0_5", "mnasnet0.5_top1_67.823-3ffadce67e"),
    ],
)
def test_spellings_of_torchvision(name, file):
    assert (
        find_weights("torchvision", name).url == f"https://download.pytorch.org/models/{file}.pth"
    )


@pytest.mark.parametrize(
    ("scheme", "name", "message"),
    [
        ("open-mmlab", "resnet50_v1", "open-mmlab:// lists no 'resnet50_v1'. "
         "Did you mean 'resnet50_v1c'?"),
        ("open-mmlab", "resnet50", "open-mmlab:// lists no 'resnet50'. "
         "There is mmcls://resnet50 and torchvision://resnet50."),
        ("mmcls", "vgg", "mmcls:// lists no 'vgg'. Did you mean 'vgg19'?"),
        ("torchvision", "resnet50_v1c", "torchvision:// lists no 'resnet50_v1c'. "
         "There is open-mmlab://resnet50_v1c."),
        ("torchvision", "resnet51", "torchvision:// lists no 'resnet51'. "
         "Did you mean 'resnet50'?"),
    ],
)  # fmt: skip
def test_unknown_names(scheme, name, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(UnknownNameError) as caught:
        locate(f"{scheme}://{name}", "init_cfg.checkpoint")
    assert str(caught.value) == f"init_cfg.checkpoint: {message}"
    assert isinstance(caught.value, KeyError)


# The user's own names


@pytest.fixture
def published(server, tmp_path):
    """Return a function that publishes a state dict and returns its URL."""

    def publish(state, name="model-#.pth"):
        torch.save(state, tmp_path / "published.pth")
        return server.put(name, (tmp_path / "published.pth").read_bytes())

    return publish


@pytest.mark.parametrize("file", ["open_mmlab.json", "open-mmlab.json"])
@pytest.mark.parametrize("scheme", ["open-mmlab", "openmmlab"])
def test_the_users_names_come_over_the_default(file, scheme, cache, published):
    url = published({"weight": torch.ones(1, 1)})
    rows = {"train": url, "vgg16_caffe": "pretrain/own.pth", "rich": {"url": url, "mib": 3}}
    (cache / file).write_text(json.dumps(rows))
    (cache / "pretrain").mkdir()
    torch.save({"weight": torch.zeros(1, 1)}, cache / "pretrain" / "own.pth")
    model = torch.nn.Linear(1, 1, bias=False)
    load_checkpoint(model, f"{scheme}://train", strict=True)
    assert model.weight.item() == 1
    load_checkpoint(model, f"{scheme}://vgg16_caffe", strict=True)
    assert model.weight.item() == 0
    assert find_weights("open-mmlab", "rich").mib == 3
    assert get_external_models()["train"] == url
    assert len(get_external_models()) == 52


def test_of_two_files_the_documented_one_wins(cache):
    (cache / "open_mmlab.json").write_text('{"a": "http://x/1.pth", "b": "http://x/2.pth"}')
    (cache / "open-mmlab.json").write_text('{"a": "http://x/3.pth"}')
    found = get_external_models()
    assert (found["a"], found["b"]) == ("http://x/3.pth", "http://x/2.pth")


def test_a_path_in_the_users_table_that_leads_nowhere(cache):
    (cache / "open_mmlab.json").write_text('{"train": "no/train.pth"}')
    with pytest.raises(MissingFileError) as caught:
        locate("open-mmlab://train")
    assert str(caught.value) == (
        f"checkpoint: {cache}/no/train.pth can not be found. There is no folder {cache}/no."
    )


def test_a_hash_in_the_users_table(cache, server):
    url = server.put("model.pth", b"x")
    (cache / "open_mmlab.json").write_text(json.dumps({"a": {"url": url, "sha256": "0" * 8}}))
    with pytest.raises(CheckpointError) as caught:
        locate("open-mmlab://a")
    assert f"{url} is not what was promised: its SHA-256 should begin with 00000000" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", ": is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 "
         "(char 1)."),
        ("[]", ": holds no object with names and URLs."),
        ('{"a": 3}', ": a: expected a URL or a path, or a dict with 'url', got 3."),
        ('{"a": {"mib": 3}}',
         ": a: expected a URL or a path, or a dict with 'url', got {'mib': 3}."),
        ('{"a": {"url": "x", "sha": 3}}', ": a: has 'sha'; known are licence, mib, mirrors, "
         "paper, sha256, url."),
        ('{"a": {"url": "x", "sha256": "xyz"}}',
         ": a: sha256 must be 8 to 64 hexadecimal digits, got 'xyz'."),
        ('{"a": {"url": "x", "mirrors": "y"}}', ": a: mirrors must be a list of URLs, got 'y'."),
    ],
)  # fmt: skip
def test_a_table_that_is_none(text, problem, cache):
    (cache / "open_mmlab.json").write_text(text)
    with pytest.raises(CheckpointError) as caught:
        locate("open-mmlab://a")
    assert str(caught.value).startswith(f"{cache / 'open_mmlab.json'}{problem}"[:-1])


@pytest.mark.parametrize("scheme", ["open-mmlab", "openmmlab"])
def test_a_deprecated_name_warns(scheme, cache, published):
    rows = {"detectron2/resnet50_caffe": published({"a": torch.ones(1)})}
    (cache / "open_mmlab.json").write_text(json.dumps(rows))
    with pytest.warns(UserWarning) as caught:
        file = locate(f"{scheme}://resnet50_caffe_bgr")
    assert [str(each.message) for each in caught] == [
        f"{scheme}://resnet50_caffe_bgr is deprecated in favor of "
        f"{scheme}://detectron2/resnet50_caffe"
    ]
    assert file == locate(f"{scheme}://detectron2/resnet50_caffe")
    assert file == locate(f"{scheme}://detectron2/resnet50_caffe_bgr")  # mmcv points here in vain


# mmcls


@pytest.fixture
def classifier(published, monkeypatch):
    """Publish a classifier under a name of mmcls."""

    def publish(state):
        url = published(state)
        monkeypatch.setattr("brickbook.checkpoint.schemes.find_weights", lambda *_: SimpleNamespace(
            url=url, sha256=None, mirrors=()))  # fmt: skip
        return url

    return publish


@pytest.mark.parametrize("inside", [True, False])
def test_of_a_classifier_it_is_the_backbone(inside, classifier):
    state = {"backbone.conv.weight": torch.ones(2), "head.fc.weight": torch.ones(3)}
    classifier({"state_dict": state, "meta": {}} if inside else state)
    found = read_checkpoint("mmcls://resnet50")
    assert list(found) == ["state_dict"]
    assert list(found["state_dict"]) == ["conv.weight"]


def test_a_classifier_without_a_backbone(classifier):
    url = classifier({"head.fc.weight": torch.ones(3)})
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint("mmcls://resnet50")
    assert str(caught.value) == (
        f"checkpoint: mmcls://resnet50 ({locate(url)}) holds no name that begins with backbone."
    )


# A torchvision that is newer than the table


class New50_Weights(enum.Enum):  # noqa: N801  (torchvision's spelling)
    IMAGENET1K_V1 = "v1"
    IMAGENET1K_V2 = "v2"
    DEFAULT = IMAGENET1K_V2


class Bare_Weights(enum.Enum):  # noqa: N801
    pass


@pytest.fixture
def torchvision(server, monkeypatch):
    """A torchvision that publishes on the local server."""
    urls = {word: server.put(f"new50-{word}-#.pth", word.encode()) for word in ("v1", "v2")}
    monkeypatch.setattr(New50_Weights, "url", property(lambda each: urls[each.value]), False)
    known = {"new50": New50_Weights, "bare": Bare_Weights}
    models = SimpleNamespace(list_models=lambda: list(known), get_model_weights=known.__getitem__)
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(models=models))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    return urls


@pytest.mark.parametrize(
    ("name", "word"),
    {"new50": "v1", "new50.imagenet1k_v2": "v2", "New50_Weights.DEFAULT": "v2"}.items(),
)
def test_names_that_torchvision_itself_knows(name, word, torchvision):
    file = locate(f"torchvision://{name}")
    assert file.read_bytes() == word.encode()
    assert file.name == torchvision[word].rpartition("/")[2]


def test_modelzoo_is_torchvision(torchvision):
    with pytest.warns(DeprecationWarning) as caught:
        file = locate("modelzoo://new50")
    assert file == locate("torchvision://new50")
    assert [str(each.message) for each in caught] == [
        "modelzoo:// is the old spelling of torchvision://."
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("new5", "torchvision has no model 'new5'. Did you mean 'new50'?"),
        (
            "new50.imagenet1k_1",
            "torchvision has no weights 'imagenet1k_1' for new50. Did you mean 'imagenet1k_v1'?",
        ),
        ("bare", "torchvision has no weights '' for bare."),
    ],
)
def test_torchvision_does_not_list(name, message, torchvision):
    with pytest.raises(UnknownNameError) as caught:
        torchvision_url(name, "init_cfg.checkpoint")
    assert str(caught.value) == f"init_cfg.checkpoint: {message}"
