// The bricks of a blueprint as a tree: keys and the mouse choose, fold, move.
// Reads the traits rows, marked and words; reads and writes selected; sends edits by their names.

import { EDITS, changed, keyName, step } from "./brick_list_tree.js";
import { element, fill, headRow, makeRow } from "./brick_list_row.js";
import { Drag } from "./brick_list_drag.js";
import { keepKeys } from "../../views/grid/grid_keys.js";

class BrickTree {
  constructor(model, host) {
    this.model = model;
    this.painted = [];
    this.build(`bb-${Math.random().toString(36).slice(2)}`);
    this.listen();
    host.append(this.root);
    this.paint();
  }

  build(id) {
    const words = this.model.get("words");
    this.list = element("ul", "tree");
    this.list.setAttribute("role", "tree");
    this.list.setAttribute("aria-label", words.list);
    this.list.setAttribute("aria-multiselectable", "true");
    this.list.setAttribute("aria-describedby", id);
    this.empty = element("div", "empty", words["no bricks"]);
    this.empty.tabIndex = 0;
    const keys = element("div", "keys", words.keys);
    keys.id = id;
    this.root = element("div", "bricks");
    // What is held with Ctrl or Alt is ours in the list; plain keys are, all over the builder.
    this.root.setAttribute("data-lm-suppress-shortcuts", "true");
    this.root.append(headRow(words), this.list, this.empty, keys);
    this.drag = new Drag(this.list, id, {
      rows: () => this.rows,
      take: (at) => { if (!this.chosen.includes(at)) this.choose(at); },
      drop: (at, where) => this.edit("move", { path: this.rows[at].path, where }),
    });
  }

  listen() {
    this.root.addEventListener("keydown", (event) => this.type(event));
    this.list.addEventListener("click", (event) => this.press(event, this.drag.at(event)));
    this.list.addEventListener("dblclick", (event) => this.fold(this.drag.at(event)));
    this.heard = {
      "change:rows": () => this.paint(),
      "change:selected": () => this.mark(),
      "change:marked": () => this.mark(),
      "msg:custom": (message) => this.copy(message),
    };
    for (const [event, act] of Object.entries(this.heard)) this.model.on(event, act);
    this.letKeysGo = keepKeys(this.root);
  }

  get rows() {
    return this.model.get("rows");
  }

  // The rows that an edit is about.
  get chosen() {
    return [this.model.get("selected"), ...this.model.get("marked")];
  }

  get focused() {
    return this.root.contains(this.root.getRootNode().activeElement);
  }

  edit(name, more = {}) {
    this.model.send({ do: name, ...more });
  }

  choose(at) {
    const { length } = this.rows;
    if (!length) return;
    this.model.set("selected", Math.min(Math.max(at, 0), length - 1));
    this.model.save_changes();
    this.mark(true);
  }

  fold(at) {
    const row = this.rows[at];
    if (row && row.open !== null) this.edit("fold", { path: row.path });
  }

  extend(at) {
    if (this.rows[at]) this.edit("extend", { path: this.rows[at].path });
  }

  // Show which rows are chosen, and go there.
  mark(focus = this.focused) {
    const at = this.model.get("selected");
    const { chosen } = this;
    [...this.list.children].forEach((row, index) => {
      row.setAttribute("aria-selected", chosen.includes(index));
      row.classList.toggle("bb-current", index === at);
      row.tabIndex = index === at ? 0 : -1;
    });
    const row = this.list.children[at];
    if (!row) return;
    if (focus) row.focus({ preventScroll: true });
    this.reveal(row);
  }

  // Scroll inside the list only: scrollIntoView would move the notebook too.
  reveal(row) {
    const { list } = this;
    if (row.offsetTop < list.scrollTop) list.scrollTop = row.offsetTop;
    const end = row.offsetTop + row.offsetHeight;
    if (end > list.scrollTop + list.clientHeight) list.scrollTop = end - list.clientHeight;
  }

  paint() {
    const { focused, list, rows } = this;
    while (list.children.length > rows.length) list.lastChild.remove();
    while (list.children.length < rows.length) list.append(makeRow());
    for (const at of changed(rows, this.painted)) fill(list.children[at], rows[at]);
    this.painted = rows;
    list.hidden = rows.length === 0;
    this.empty.hidden = rows.length > 0;
    this.mark(focused);
    if (focused && !rows.length) this.empty.focus();
  }

  type(event) {
    const key = keyName(event);
    const act = step(key, this.rows, this.model.get("selected"));
    if (act === undefined && !EDITS[key]) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook would go to the next cell
    if (EDITS[key]) this.edit(EDITS[key]);
    else for (const [what, at] of Object.entries(act ?? {})) this[what](at);
  }

  press(event, at) {
    if (at < 0) return;
    if (event.target.closest(".bb-fix")) this.edit("auto", { path: this.rows[at].path });
    else if (event.target.closest(".bb-fold") && this.rows[at].open !== null) this.fold(at);
    else if (event.shiftKey) this.extend(at);
    else this.choose(at);
  }

  copy({ copy: text }) {
    if (text === undefined || !navigator.clipboard) return;
    navigator.clipboard.writeText(text).then(
      () => this.model?.send({ copied: true }),
      () => {}, // no permission: the text is shown below anyway
    );
  }

  close() {
    this.letKeysGo();
    for (const [event, act] of Object.entries(this.heard)) this.model.off(event, act);
    this.root.remove();
    // Whoever holds on to this, as notebooks do, holds on to nothing large.
    for (const key of Object.keys(this)) this[key] = null;
  }
}

const widget = {
  render({ model, el }) {
    const tree = new BrickTree(model, el);
    return () => tree.close();
  },
};

// A notebook runs this module anew for every list and forgets none of them: all lists share what the
// first one has made. CHECKSUM is that of the script, so that another version has its own.
export default (globalThis[Symbol.for("brickbook bricks CHECKSUM")] ??= widget);
