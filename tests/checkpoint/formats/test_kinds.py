"""What stands where a checkpoint should, called by its name."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile

import numpy as np
import pytest
import torch
from checkpoint_support import net, save

from brickbook import initialize
from brickbook.checkpoint import CheckpointError, load_weights, read_state
from brickbook.checkpoint.formats.kinds import PAGE_HINT
from brickbook.errors import MissingFileError

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")

OID = "oid sha256:" + "0" * 64
LFS = f"version https://git-lfs.github.com/spec/v1\n{OID}\nsize 102540417\n"
S3 = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
    "<Message>Access\n Denied</Message><RequestId>A1</RequestId></Error>"
)
HTML = "<html><head><title>\n  Sign in &middot; GitHub\n</title></head><body></body></html>"


def torch_bytes(content=None):
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(1)} if content is None else content, buffer)
    return buffer.getvalue()


def tar_bytes(name, content=b""):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def array_bytes():
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    return buffer.getvalue()


KINDS = {
    "empty": (b"", "it is empty."),
    "zeros": (bytes(5000), "it is filled with zeros. A download or a copy broke off."),
    "gzip": (gzip.compress(torch_bytes()), "it is packed by gzip. Unpack it first: gunzip."),
    "bzip2": (bz2.compress(torch_bytes()), "it is packed by bzip2. Unpack it first: bunzip2."),
    "xz": (lzma.compress(torch_bytes()), "it is packed by xz. Unpack it first: unxz."),
    "zstd": (b"\x28\xb5\x2f\xfd1234", "it is packed by zstd. Unpack it first: unzstd."),
    "tar": (tar_bytes("run/a.pth", torch_bytes()),
            "it is a tar archive, of 'run/a.pth' first. Unpack it first: tar xf."),
    "html": (b"<!DOCTYPE html>", f"it is an HTML page. {PAGE_HINT}"),
    "html with a title": (HTML.encode(),
                          f"it is an HTML page: Sign in &middot; GitHub. {PAGE_HINT}"),
    "html after a mark": (b"\xef\xbb\xbf\r\n<!-- a --><HTML lang='en'>x",
                          f"it is an HTML page. {PAGE_HINT}"),
    "xhtml": (b"<?xml version='1.0'?><!DOCTYPE html><title>404</title>",
              f"it is an HTML page: 404. {PAGE_HINT}"),
    "xml": (S3.encode(), "it is an XML document: AccessDenied: Access Denied."),
    "xml without a prolog": (b"<Error><Code>NoSuchKey</Code>", "it is an XML document: NoSuchKey."),
    "json": (b'{"error": "Invalid credentials"}',
             'it is JSON: {"error": "Invalid credentials"}.'),
    "long json": (json.dumps({"a": "x" * 500}).encode(), f'it is JSON: {{"a": "{"x" * 53}….'),
    "lfs": (LFS.encode(), "it is a pointer of Git LFS to a file of 102,540,417 bytes, which was "
            "not fetched. git lfs pull fetches it."),
    "annex": (b"/annex/objects/SHA256E-s1--00.pth\n", "it is a pointer of git-annex: the file "
              "itself was not fetched. git annex get fetches it."),
    "keras": (b"\x89HDF\r\n\x1a\n1234", "it is an HDF5 file, as Keras writes them."),
    "gguf": (b"GGUF\x03\0\0\0", "it is a GGUF file, as llama.cpp reads them."),
    "onnx": (b"\x08\x07\x12\x07pytorch\x1a\x052.1.0", "it is an ONNX model."),
    "array": (array_bytes(), "it is an array of NumPy."),
    "text": (b"Not Found", "it begins with b'Not Found'."),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", KINDS)
def test_it_is_called_what_it_is(name, suffix, tmp_path):
    content, message = KINDS[name]
    if name == "text" and suffix == ".safetensors":
        pytest.skip("said by the library of safetensors")
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    for load, path in (
        (lambda: load_weights(net(), file), "filename"),
        (lambda: read_state(file, trust=True), "init_cfg.checkpoint"),
        (lambda: initialize(net(), [dict(type="Pretrained", checkpoint=str(file))]),
         "init_cfg[0].checkpoint"),
    ):  # fmt: skip
        with pytest.raises(CheckpointError) as caught:
            load()
        assert str(caught.value) == f"{path}: {file} is no checkpoint: {message}"


def test_control_characters_of_a_page_reach_no_terminal(tmp_path):
    file = tmp_path / "a.pth"
    file.write_bytes(b"<html><title>\x1b[31mred</title>")
    with pytest.raises(CheckpointError) as caught:
        load_weights(net(), file)
    assert "\x1b" not in str(caught.value)


def test_one_format_under_the_name_of_another(tmp_path):
    file = tmp_path / "a.safetensors"
    file.write_bytes(torch_bytes())
    with pytest.raises(CheckpointError) as caught:
        load_weights(net(), file)
    assert str(caught.value) == (
        f"filename: {file} is no checkpoint: it is a zip archive or a pickle, as torch.save "
        "writes. Name it .pth."
    )
    save({"a": torch.ones(1)}, file)
    other = file.rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError) as caught:
        load_weights(net(), other)
    assert str(caught.value) == (
        f"filename: {other} is no checkpoint: it is a safetensors file. Name it .safetensors."
    )


@pytest.mark.parametrize("name", ["html", "lfs", "empty", "gzip"])
def test_an_index(name, tmp_path):
    content, message = KINDS[name]
    file = tmp_path / "model.safetensors.index.json"
    file.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load_weights(net(), file)
    assert str(caught.value) == f"filename: {file} is no index of a checkpoint: {message}"


def test_a_url(server):
    url = server.put("a.pth", HTML.encode())
    with pytest.raises(CheckpointError) as caught:
        load_weights(net(), url)
    assert str(caught.value) == (
        f"filename: {url} gives no checkpoint: it is an HTML page: Sign in &middot; GitHub. "
        "Nothing was kept. Its address gives a page, not the file: on Hugging Face say /resolve/ "
        "in place of /blob/, on GitHub /raw/."
    )


def test_folders(tmp_path):
    (tmp_path / "model.pth").write_bytes(torch_bytes())
    with pytest.raises(MissingFileError) as caught:
        load_weights(net(), tmp_path)
    assert str(caught.value) == (
        f"filename: {tmp_path} is a folder; a checkpoint is a file. Known: model.pth."
    )
    (tmp_path / ".metadata").write_bytes(b"")
    with pytest.raises(MissingFileError) as caught:
        load_weights(net(), tmp_path)
    assert str(caught.value) == (
        f"filename: {tmp_path} is a folder of torch.distributed.checkpoint, not a file. One of it: "
        f"python -m torch.distributed.checkpoint.format_utils dcp_to_torch {tmp_path} FILE."
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    file = tmp_path / "a.pth"
    file.write_bytes(torch_bytes())
    file.chmod(0)
    with pytest.raises(CheckpointError) as caught:
        load_weights(net(), file)
    assert str(caught.value) == f"filename: {file} can not be read: Permission denied."
