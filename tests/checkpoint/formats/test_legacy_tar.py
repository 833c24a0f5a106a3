"""The tar format that torch wrote until 2017: it is recognised, and not read."""

import io
import tarfile

import pytest

from brickbook.checkpoint import CheckpointError, read_state


def test_the_error_says_how_to_save_it_anew(tmp_path):
    file = tmp_path / "a.pth.tar"
    with tarfile.open(file, "w:", format=tarfile.PAX_FORMAT) as tar:
        for name in ("storages", "tensors", "pickle"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(CheckpointError) as caught:
        read_state(str(file))
    assert str(caught.value) == (
        f"init_cfg.checkpoint: {file} is a tar archive, which torch wrote until 0.1.9 in 2017. "
        "Only if you trust whoever made it, save it anew: "
        "torch.save(torch.load(file, weights_only=False), new_file)."
    )
