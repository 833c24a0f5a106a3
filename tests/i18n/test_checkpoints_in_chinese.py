"""Why a checkpoint cannot be had, in Chinese: whole messages, from the file or server on."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

import pickle
from urllib.error import HTTPError, URLError

import pytest
import torch
from torch import nn

from brickbook import initialize, load_checkpoint
from brickbook.checkpoint import http
from brickbook.i18n import Texts

CHINESE = Texts("zh")
TRUST = "只有在您信任其制作者时，才设置 trust=True。"


class Evil:
    def __reduce__(self):
        return eval, ("1",)


def torch_file(path, value):
    torch.save(value, path)


def written(path, value):
    path.write_bytes(value)


PAGE = b"<!doctype html><html><title>Sign in</title>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5120\n"
FILES = [
    (written, b"", "不是检查点：它是空的。"),
    (written, b"\0" * 99, "不是检查点：它全由零组成。下载或复制曾中断。"),
    (written, PAGE, "不是检查点：它是 HTML 网页: Sign in。这个地址给出的是网页而不是文件："
     "在 Hugging Face 上请把 /blob/ 换成 /resolve/，在 GitHub 上换成 /raw/。"),
    (written, LFS, "不是检查点：它是 Git LFS 的指针，所指的 5,120 字节的文件没有取得。"
     "用 git lfs pull 取得它。"),
    (written, b"\x1f\x8b" + b"0" * 9, "不是检查点：它经 gzip 压缩。请先解压：gunzip。"),
    (written, b"weights", "不是检查点：它以 b'weights' 开头。"),
    (written, pickle.dumps({}), "是 pickle 文件，但不是 torch.save 写成的。只有在信任其作者时，"
     "才可自行反序列化，再用 torch.save 保存其中的张量。"),
    (torch_file, Evil(), "要求建立 eval，因此不读取：建立这样的对象等于运行文件中的代码。"
     f"请索取 .safetensors 文件，或只含一个 state_dict 的文件。{TRUST}"),
    (torch_file, {"model": {"a": torch.ones(1)}, "ema": {"a": torch.ones(1)}},
     "含有多个 state dict：model, ema。请指明是哪一个：key='model'。"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "value", "chinese"), FILES)
def test_a_file_that_is_no_checkpoint(write, value, chinese, tmp_path):
    path = tmp_path / "a.pth"
    write(path, value)
    with pytest.raises(RuntimeError) as caught:
        load_checkpoint(nn.Linear(1, 1), str(path))
    said = CHINESE.explain(caught.value).replace(f"{path} ", "")
    assert said == f"filename：{chinese}"


def test_a_state_dict_that_is_not_in_the_file(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"weight": torch.ones(1, 1)}, path)
    with pytest.raises(ValueError) as caught:
        load_checkpoint(nn.Linear(1, 1), str(path), key="model")
    said = CHINESE.explain(caught.value)
    assert (
        said == f"key：{path} 的 'model' 之下没有 state dict。它本身就是 state dict：不要给出 key。"
    )


URL = "https://example.invalid/a.pth"
MANUAL = f"没有保留任何内容。{CHINESE.translate(http.MANUAL_HINT)}"
ANSWERS = [
    (HTTPError(URL, 404, "Not Found", {}, None), f"找不到 {URL}：HTTP 404 Not Found。"),
    (URLError(OSError("no route")), f"无法下载 {URL}：no route。{MANUAL}"),
    (http.IncompleteTransferError("the file is empty"), f"无法下载 {URL}：文件是空的。{MANUAL}"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "chinese"), ANSWERS)
def test_a_server_that_gives_nothing(error, chinese, monkeypatch, tmp_path):
    def refuse(*_):
        raise error

    monkeypatch.setenv("BRICKBOOK_HOME", str(tmp_path))
    monkeypatch.setattr(http, "open_url", refuse)
    monkeypatch.setattr(http, "sleep", lambda _: None)
    model = nn.Linear(1, 1)
    with pytest.raises(OSError) as caught:
        initialize(model, dict(type="Pretrained", checkpoint=URL))
    assert CHINESE.explain(caught.value) == f"init_cfg.checkpoint：{chinese}"


def test_without_a_network(monkeypatch, tmp_path):
    monkeypatch.setenv("BRICKBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("BRICKBOOK_OFFLINE", "1")
    with pytest.raises(OSError) as caught:
        load_checkpoint(nn.Linear(1, 1), URL)
    said = CHINESE.explain(caught.value)
    assert said.startswith(f"filename：{URL} 不在缓存中（{tmp_path}")
    assert said.endswith(
        "），而又不允许使用网络。请去掉 --offline 和 BRICKBOOK_OFFLINE 后下载，或把文件放到那里。"
    )
