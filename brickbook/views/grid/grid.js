// One small histogram per parameter: an anywidget module that a plain page can run as well.
// Reads the traits meta (object), buffer (DataView) and rev (number); reads and writes those of STATE.

import { speaker } from "./grid_words.js";
import { CONSTANTS, decode, frameOf, grouped, perRule, sorted, withConstants } from "./grid_cells.js";
import { filtered, matcher } from "./grid_search.js";
import { node } from "./grid_nodes.js";
import { build, fill, paint } from "./grid_cell.js";
import { Bar } from "./grid_bar.js";
import { Table } from "./grid_table.js";
import { List, moved } from "./grid_list.js";
import { keepKeys } from "./grid_keys.js";

// What holds until somebody says otherwise; a plain page has no other traits.
const STATE = {
  sort: "model", group: "none", query: "", filter: "all", variants_as: "overlay", same_x: false,
  log_counts: false, as_table: false, collapsed: [], constants_shown: false, selected: "",
};

class Grid {
  constructor(model, host) {
    this.model = model;
    this.elements = new Map();
    this.bar = new Bar((key, value) => this.write(key, value));
    const id = `bb-keys-${Math.random().toString(36).slice(2)}`;
    this.keys = node("p", { class: "bb-unseen", id });
    this.list = new List(id);
    this.table = new Table();
    this.root = node("div", { class: "bb-grid" }, this.bar.root, this.keys, this.list.root, this.table.root);
    this.seen = new IntersectionObserver((entries) => this.reach(entries), { rootMargin: "300px" });
    this.listen();
    host.append(this.root);
    this.refresh();
  }

  listen() {
    this.root.addEventListener("click", (event) => this.press(event.target.closest(".bb-item")));
    this.root.addEventListener("keydown", (event) => this.type(event));
    this.heard = { "change:rev": () => this.refresh() };
    for (const key of Object.keys(STATE)) {
      this.heard[`change:${key}`] = () => { if (!this.own) this.follow(key); };
    }
    for (const [event, act] of Object.entries(this.heard)) this.model.on(event, act);
    this.letKeysGo = keepKeys(this.root);
  }

  get state() {
    return Object.fromEntries(Object.entries(STATE).map(([key, value]) =>
      [key, this.model.get(key) ?? value]));
  }

  // Tell the kernel, and do here at once what the change asks for.
  write(key, value) {
    this.own = true;
    this.model.set(key, value);
    this.own = false;
    this.model.save_changes();
    this.follow(key);
  }

  follow(key) {
    if (key === "selected") this.mark();
    else if (key === "variants_as") this.refill();
    else if (key === "log_counts") {
      this.bar.set(this.state);
      this.paint();
    } else this.arrange();
  }

  // Take over a payload.
  refresh() {
    this.meta = this.model.get("meta") ?? {};
    this.say = speaker(this.meta.texts, this.meta.language);
    this.cells = decode(this.meta, this.model.get("buffer") ?? new ArrayBuffer(0));
    this.elements = new Map(this.cells.map(({ name }) => [name, this.elements.get(name) ?? build(name)]));
    this.root.lang = this.meta.language ?? "en";
    this.keys.textContent = this.say("keys");
    this.bar.name(this.meta, perRule(this.cells), this.say);
    this.refill();
    this.mark();
  }

  // Write the words of every cell.
  refill() {
    const several = (this.meta.variants ?? []).length > 1;
    const beside = several && this.state.variants_as === "beside";
    this.list.root.classList.toggle("bb-beside", beside);
    for (const cell of this.cells) fill(this.elements.get(cell.name), cell, { say: this.say, beside });
    this.arrange();
  }

  // Search, filter, sort and group.
  arrange() {
    const state = this.state;
    const test = matcher(state.query, this.cells);
    const shown = sorted(this.cells.filter((cell) =>
      (!test || test(cell)) && filtered(cell, state.filter)), state.sort);
    this.frame = state.same_x ? frameOf(shown) : null;
    this.bar.set(state);
    this.bar.key(this.meta, state, this.say);
    this.bar.complain(!test);
    this.bar.told.textContent = test
      ? this.say("shown_of", { shown: shown.length, n: this.cells.length }) : this.say("bad_pattern");
    this.list.none.textContent = this.say(this.cells.length ? "nothing" : "empty");
    this.keep(() => {
      this.list.root.hidden = state.as_table && shown.length > 0;
      if (this.list.root.hidden) this.table.show(shown, this.meta.variants ?? [], this.say, state.selected);
      else {
        this.table.hide();
        this.list.show(this.groups(shown), this.elements, new Set(this.folded(state)), this.say);
      }
    });
    this.paint();
  }

  // Who searches wants to see what is found.
  groups(shown) {
    const { group, query } = this.state;
    const groups = grouped(shown, group);
    return query.trim() ? groups : withConstants(groups);
  }

  folded({ collapsed, constants_shown: open }) {
    return open ? collapsed : [...collapsed, CONSTANTS];
  }

  // Do what moves nodes about, and leave the focus where it was.
  keep(act) {
    const active = this.root.getRootNode().activeElement;
    const focused = this.root.contains(active) ? active.closest(".bb-item") : null;
    act();
    const items = this.items();
    const find = (name) => (name ? items.find((item) => item.dataset.name === name) : undefined);
    const again = items.includes(focused) ? focused : find(focused?.dataset.name);
    this.enter(again ?? find(this.state.selected) ?? items[0]);
    again?.focus({ preventScroll: true });
  }

  // What is to be walked through: headings and pictures, or the rows of the table.
  items() {
    const { root } = this.list.root.hidden ? this.table : this.list;
    return [...root.querySelectorAll(".bb-item")].filter((item) =>
      !item.closest("[hidden]"));
  }

  // Draw anew what is near the window; the rest when it comes near.
  paint() {
    this.seen.disconnect();
    for (const { cells } of this.list.sections.values()) {
      for (const element of cells.children) this.seen.observe(element);
    }
  }

  reach(entries) {
    if (!this.model) return; // told too late
    const options = { frame: this.frame, log: this.state.log_counts, say: this.say };
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      this.seen.unobserve(target);
      paint(target, options);
    }
  }

  // One thing at a time is in the tab order.
  enter(item) {
    if (this.entry) this.entry.tabIndex = -1;
    this.entry = item;
    if (item) item.tabIndex = 0;
  }

  mark() {
    const { selected } = this.state;
    for (const [name, element] of this.elements) {
      element.setAttribute("aria-selected", String(name === selected));
    }
    this.table.mark(selected);
  }

  // A click, or Enter, on a picture, on its row, or on a heading.
  press(item) {
    if (!item) return;
    this.enter(item);
    if ("group" in item.dataset) this.fold(item, item.getAttribute("aria-expanded") === "true");
    else this.write("selected", item.dataset.name);
  }

  fold(button, away) {
    if (button.dataset.group === CONSTANTS) this.write("constants_shown", !away);
    else this.foldGroup(button, away);
    button.focus();
    this.enter(button);
  }

  foldGroup(button, away) {
    const others = this.state.collapsed.filter((key) => key !== button.dataset.group);
    this.write("collapsed", away ? [...others, button.dataset.group] : others);
  }

  type(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const item = event.target.closest(".bb-item");
    if (event.key === "Escape") this.leave(item);
    else if (!item || !this.walk(item, event.key)) return;
    event.preventDefault();
  }

  // Whether a key has led anywhere.
  walk(item, key) {
    if (key === "Enter" || key === " ") {
      if (item.tagName === "BUTTON") return false; // it makes a click of it
      this.press(item);
      return true;
    }
    const open = item.getAttribute("aria-expanded");
    if (open && key === (open === "true" ? "ArrowLeft" : "ArrowRight")) {
      this.fold(item, open === "true");
      return true;
    }
    const items = this.items();
    const to = items[moved(key, items.indexOf(item), items)];
    if (!to) return false;
    this.enter(to);
    to.focus();
    return true;
  }

  // From the pictures to the search, which is emptied next, and then out to the notebook.
  leave(item) {
    const { query } = this.bar.fields;
    if (item) query.focus();
    else if (query.value) this.write("query", "");
    else {
      const outside = this.root.parentElement?.closest("[tabindex]");
      if (outside) outside.focus();
      else this.root.getRootNode().activeElement?.blur();
    }
  }

  close() {
    this.seen.disconnect();
    this.letKeysGo();
    for (const [event, act] of Object.entries(this.heard)) this.model.off(event, act);
    this.root.remove();
    // Whoever holds on to this, as notebooks do, holds on to nothing large.
    for (const key of Object.keys(this)) this[key] = null;
  }
}

const widget = {
  // The same for a model that is closed, and what it was before.
  initialize({ model }) {
    return () => {
      model.set({ meta: {}, buffer: new DataView(new ArrayBuffer(0)) });
      model.set({ rev: -1 });
    };
  },
  render({ model, el }) {
    const grid = new Grid(model, el);
    return () => grid.close();
  },
};

// A notebook runs this module anew for every grid and forgets none of them: all grids share what the
// first one has made. CHECKSUM is that of the script, so that another version has its own.
export default (globalThis[Symbol.for("brickbook grid CHECKSUM")] ??= widget);
