"""Run the notebooks of the course and store them as they are looked at: `make notebooks`.

A notebook in Chinese is not written by hand: it is the English one with the texts of a JSON file,
in the order of its cells of text. Each text has the hash of the English one that it is of, so that
a change there is seen.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
CHINESE = FOLDER / "zh"
IN_CHINESE = 'import os\n\nos.environ["BRICKBOOK_LANGUAGE"] = "zh"'
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def translated(english: Any, texts: list[dict[str, Any]]) -> list[Any]:
    """Return the cells of a notebook in another language, without outputs."""
    left = iter(texts)
    first = nbformat.v4.new_code_cell(IN_CHINESE, id="language")
    cells = []
    for cell in english.cells:
        if cell.cell_type == "markdown":
            text = next(left)
            if text["of"] != hash_of(cell.source):
                raise ValueError(f"The English text has changed: {cell.source[:60]!r}")
            cell = nbformat.v4.new_markdown_cell("\n".join(text["text"]), id=cell.id)
        else:
            cell = nbformat.v4.new_code_cell(cell.source, id=cell.id)
        cells.append(cell)
    if next(left, None) is not None:
        raise ValueError("There are more texts than cells of text.")
    return [cells[0], first, *cells[1:]]


def run(notebook: Any, folder: Path) -> None:
    """Run all cells, and keep of what they leave what does not change from run to run."""
    from nbclient import NotebookClient

    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata = nbformat.from_dict(KERNEL)


def main(names: list[str]) -> None:
    """Run the notebooks of these names, or all; those in Chinese are made anew before."""
    for file in sorted(FOLDER.glob("*.ipynb")):
        if names and not any(name in file.name for name in names):
            continue
        english = nbformat.read(file, as_version=4)
        run(english, FOLDER)
        nbformat.write(english, file)
        texts = CHINESE / f"{file.stem}.json"
        if texts.exists():
            cells = translated(english, json.loads(texts.read_text(encoding="utf-8")))
            other = nbformat.v4.new_notebook(cells=cells)
            run(other, CHINESE)
            nbformat.write(other, CHINESE / file.name)
        print(file.name)


if __name__ == "__main__":
    main(sys.argv[1:])
