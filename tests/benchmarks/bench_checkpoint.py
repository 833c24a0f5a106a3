"""A checkpoint of 1 GiB into a model, against torch; a verified download, against a plain copy.

The memory is that of this file run as a process of its own: what it has for itself above the
model, without the pages of the mapped file, which the system takes back when it wants.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import torch
from safetensors.torch import save_file
from timing import fastest
from torch import nn

from brickbook import load_checkpoint
from brickbook.checkpoint import locate

WIDTH, LAYERS = 4096, 16  # 1 GiB
BYTES = 200_000_000
BLOCK = 1 << 20
ROUNDS = 9
FETCHES = 21  # the disk takes what others write, too
Row = dict[str, "float | str"]


def cases() -> list[Row]:
    """The time and the memory of loading, and the time of a download."""
    logging.getLogger("brickbook").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        files = written(Path(folder))
        rows = [*loading(files), *memory(files)]
    with tempfile.TemporaryDirectory() as folder:
        return [*rows, downloading(Path(folder))]


def model() -> nn.Module:
    """Return a model of 1 GiB, with its memory in use."""
    with torch.device("meta"):
        found = nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(LAYERS)))
    found.to_empty(device="cpu")
    for weight in found.parameters():
        nn.init.zeros_(weight)
    return found


def written(folder: Path) -> list[Path]:
    """Write the model in both formats."""
    state = model().state_dict()
    files = [folder / "a.pth", folder / "a.safetensors"]
    torch.save(state, files[0])
    save_file(state, files[1])
    return files


def loading(files: list[Path]) -> Iterator[Row]:
    """Load each file, and torch's own way with the first."""
    target = model()

    def peer() -> object:
        return target.load_state_dict(torch.load(files[0], mmap=True, weights_only=True))

    ours = [lambda file=file: load_checkpoint(target, file, strict=True) for file in files]
    *times, theirs = fastest([*ours, peer], ROUNDS)
    for file, seconds in zip(files, times, strict=True):
        name = f"1 GiB {file.suffix} into a model / torch.load(mmap=True) and load_state_dict"
        yield {"name": name, "ours": seconds, "peer": theirs, "ratio": seconds / theirs,
               "bound": 1.1}  # fmt: skip


def memory(files: list[Path]) -> Iterator[Row]:
    """Load each file in a process of its own."""
    if not Path("/proc/self/status").exists():
        return
    for file in files:
        command = [sys.executable, __file__, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        above = json.loads(done.stdout)
        name = f"private memory above the model, 1 GiB {file.suffix} / 64 MiB"
        yield {"name": name, "ours": above, "peer": 64.0, "ratio": above / 64.0, "bound": 1.0,
               "unit": "MiB"}  # fmt: skip


def private() -> float:
    """Return the memory that no file stands behind, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:"))


def measure(file: str) -> float:
    """Return by how many MiB loading a file raises this process's memory at its peak."""
    target, done, most = model(), threading.Event(), [0.0]
    small = Path(file).with_name(f"small{Path(file).suffix}")
    tiny = nn.Linear(2, 2)
    if small.suffix == ".pth":
        torch.save(tiny.state_dict(), small)
    else:
        save_file(tiny.state_dict(), small)
    load_checkpoint(tiny, small, strict=True)  # what is loaded at first use is no scratch

    def watch() -> None:
        while not done.is_set():
            most[0] = max(most[0], private())
            time.sleep(0.001)

    before = private()
    watcher = threading.Thread(target=watch)
    watcher.start()
    load_checkpoint(target, file, strict=True)
    done.set()
    watcher.join()
    return max(most[0], private()) - before


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder from another process, and give the URL."""
    code = (
        "import functools, http.server, socketserver, sys\n"
        "make = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])\n"
        "with socketserver.ThreadingTCPServer(('127.0.0.1', 0), make) as server:\n"
        "    print(server.server_address[1], flush=True)\n"
        "    server.serve_forever()\n"
    )
    command = [sys.executable, "-c", code, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


def downloading(folder: Path) -> Row:
    """Fetch a file through the cache, and with a loop that hashes and writes."""
    body = os.urandom(BYTES)
    name = f"a-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    (folder / "served").mkdir()
    (folder / "served" / name).write_bytes(body)
    os.environ["BRICKBOOK_HOME"], os.environ["no_proxy"] = str(folder / "home"), "*"
    with serving(folder / "served") as server:
        url = f"{server}/{name}"

        def ours() -> None:
            locate(url).unlink()

        def peer() -> None:
            digest = hashlib.sha256()
            with urlopen(url) as response, (folder / "copy").open("wb") as file:
                while block := response.read(BLOCK):
                    digest.update(block)
                    file.write(block)
            (folder / "copy").unlink()

        one, other = fastest([ours, peer], FETCHES)
    return {"name": "verified download of 200 MB / streaming copy with hashing", "ours": one,
            "peer": other, "ratio": one / other, "bound": 1.5}  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
