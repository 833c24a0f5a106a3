// Bricks that are dragged to another place of the same list.

import { dropPlace } from "./brick_list_tree.js";

const DRAGGED = "application/x-brickbook-brick";

export class Drag {
  // `take(at)` is told what is dragged, `drop(at, where)` where it goes; `rows()` are the rows.
  constructor(list, id, { rows, take, drop }) {
    this.list = list;
    this.id = id; // of the list: what is dragged stays in it
    this.rows = rows;
    this.take = take;
    this.drop = drop;
    this.target = null;
    list.addEventListener("dragstart", (event) => this.start(event));
    list.addEventListener("dragover", (event) => this.over(event));
    list.addEventListener("dragleave", (event) => {
      if (!list.contains(event.relatedTarget)) this.point(null);
    });
    list.addEventListener("dragend", () => this.point(null));
    list.addEventListener("drop", (event) => this.end(event));
  }

  at(event) {
    return [...this.list.children].indexOf(event.target.closest("li"));
  }

  where(event, at) {
    const { top, height } = this.list.children[at].getBoundingClientRect();
    return dropPlace(this.rows()[at], (event.clientY - top) / height);
  }

  point(row, where) {
    this.target?.removeAttribute("data-drop");
    this.target = row;
    if (row) row.dataset.drop = where;
  }

  start(event) {
    this.take(this.at(event));
    event.dataTransfer.setData(DRAGGED, this.id);
    event.dataTransfer.effectAllowed = "move";
    event.stopPropagation();
  }

  over(event) {
    const at = this.at(event);
    if (at < 0 || !event.dataTransfer.types.includes(DRAGGED)) return;
    event.preventDefault();
    event.stopPropagation();
    event.dataTransfer.dropEffect = "move";
    this.point(this.list.children[at], this.where(event, at));
  }

  end(event) {
    const at = this.at(event);
    this.point(null);
    if (at < 0 || event.dataTransfer.getData(DRAGGED) !== this.id) return;
    event.preventDefault();
    event.stopPropagation();
    this.drop(at, this.where(event, at));
  }
}
