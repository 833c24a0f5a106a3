"""What a live panel says of work in the background, of other people's changes, and of files."""

from __future__ import annotations

__all__ = ["LIVE"]

LIVE: dict[str, str] = {
    # Looking at the weights, and running a batch.
    "live.looking": "Diagnosis: looking …",
    "live.look": "Looking at all weights …",
    "live.look_stopped": "Stopped: not all weights were looked at.",
    "live.running": "Running the batch forward and back …",
    "live.stopped": "Stopped: nothing is known of this batch.",
    "live.stop_tip": "Stop after the layer that runs now; the model is left as it is",
    "live.input_tip": "The shape of a batch of N(0, 1) numbers, batch size first; "
    "or the name of a variable that holds a batch",
    "live.given": "given: {shapes}",
    "live.failed": "{error} (kept in last_error)",
    # Files of what is shown.
    "export.title": "Export",
    "export.tip": "Write what is shown to a file beside the notebook",
    "export.html": "One page with everything on it, to open without a notebook",
    "export.csv": "The numbers of every tensor, one line each",
    "export.json": "The comparison, to read back: brickbook.views.exports.from_json",
    "export.svg": "The histograms as a drawing",
    "export.png": "The histograms as a picture; a browser draws it, which takes seconds",
    "export.writing": "Writing {kind} …",
    "export.written": "Written: {name} ({size}), at {path}",
    "export.stop_tip": "Leave no file behind",
    # What something else has done to the weights.
    "live.changed": "{n} tensors were changed by something else than this panel: {names}.",
    "live.changed.one": "{n} tensor was changed by something else than this panel: {names}.",
    "live.stale": "{n} tensors were changed since by something else: {names}. Press {button} again "
    "to write over them.",
    "live.stale.one": "{n} tensor was changed since by something else: {names}. Press {button} "
    "again to write over it.",
    # What stands in a saved notebook for a panel that is not live any more.
    "live.fallback": "This is a live panel: run its cell again to work with it. A cell that ends "
    "with its static() keeps the whole picture in the notebook.",
}
