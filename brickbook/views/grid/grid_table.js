// The numbers of the pictures as a table that can be sorted.

import { number, states, whole } from "./grid_words.js";
import { node } from "./grid_nodes.js";

const WIDTHS = { name: "17em", shape: "8em", state: "8.5em", rule: "9em", law: "12em" };
const NUMBER = "6.4em";

// What there is to say of a cell, column by column: a value to sort by and its words.
export function columns(variants, say) {
  const found = [];
  const add = (key, value, words = (cell) => number(value(cell)), name = "") => {
    const title = say(`head.${key}`, { name });
    found.push({ title, value, words, kind: "bb-number", width: NUMBER });
  };
  const told = (key, words, name = "") => {
    const width = WIDTHS[key.split("_")[0]];
    found.push({ title: say(`head.${key}`, { name }), value: words, words, kind: "bb-words", width });
  };
  const ruleOf = ({ rule }) => (rule ? `${rule.badge} ${rule.name || rule.source}` : "–");
  told("name", (cell) => cell.name);
  told("shape", (cell) => cell.shape.join("×") || say("scalar"));
  add("count", (cell) => cell.count, (cell) => whole(cell.count));
  told("state", (cell) => states(cell, say).join(say("comma")));
  told("rule", ruleOf);
  add("mean_before", (cell) => cell.before?.mean);
  add("std_before", (cell) => cell.before?.std);
  const several = variants.length > 0;
  (several ? variants : [""]).forEach((name, at) => {
    const key = (stem, end) => `${stem}${several ? "_of" : end}`;
    told(key("law", ""), (cell) => cell.sides[at].law?.text ?? "–", name);
    add(key("mean", "_after"), (cell) => cell.sides[at].stats?.mean, undefined, name);
    add(key("std", "_after"), (cell) => cell.sides[at].stats?.std, undefined, name);
    add(key("expected", ""), (cell) => cell.sides[at].law?.std, undefined, name);
  });
  return found;
}

// What has no value comes last, whichever way.
function compare(a, b, down) {
  const missing = (x) => x === undefined || x === null;
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  const order = typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
  return down ? -order : order;
}

// Sort by a column, "down" from the largest; without one, leave the order as it is.
export function ordered(cells, column, down) {
  if (!column) return cells;
  const values = new Map(cells.map((cell) => [cell, column.value(cell)]));
  return [...cells].sort((a, b) => compare(values.get(a), values.get(b), down));
}

export class Table {
  constructor() {
    this.root = node("div", { class: "bb-table" });
    this.root.hidden = true;
    this.at = this.down = null;
    this.root.addEventListener("click", (event) => this.turn(event.target.closest("th button")));
  }

  // Numbers start with the largest, words with the first.
  turn(button) {
    if (!button || !button.dataset.at) return;
    const at = Number(button.dataset.at);
    this.down = this.at === at ? !this.down : this.columns[at].kind === "bb-number";
    this.at = at;
    this.build();
    this.root.querySelector(`[data-at="${at}"]`).focus();
  }

  // The table is only there while it is looked at: a thousand rows are many nodes.
  show(cells, variants, say, chosen) {
    [this.cells, this.say, this.chosen] = [cells, say, chosen];
    this.columns = columns(variants, say);
    this.root.hidden = false;
    this.build();
  }

  hide() {
    this.root.hidden = true;
    this.root.replaceChildren();
    this.cells = [];
  }

  build() {
    const rows = ordered(this.cells, this.columns[this.at], this.down).map((cell) => this.row(cell));
    const heads = this.columns.map(({ title, kind }, at) => {
      const sort = at === this.at ? (this.down ? "descending" : "ascending") : "none";
      return node("th", { scope: "col", role: "columnheader", "aria-sort": sort, class: kind },
        node("button", { type: "button", "data-at": at }, title));
    });
    // The roles say again what the elements are: with a layout of their own they lose it.
    const table = node("table", { role: "table", "aria-label": this.say("table") },
      node("thead", { role: "rowgroup" }, node("tr", { role: "row" }, ...heads)),
      node("tbody", { role: "rowgroup" }, ...rows));
    table.style.setProperty("--bb-columns", this.columns.map(({ width }) => width).join(" "));
    this.root.replaceChildren(table);
  }

  row(cell) {
    const [first, ...rest] = this.columns;
    const button = node("button", {
      type: "button", class: "bb-item", tabindex: "-1", "data-name": cell.name,
      ...(cell.name === this.chosen ? { "aria-current": "true" } : {}),
    }, first.words(cell));
    return node("tr", { role: "row" },
      node("th", { scope: "row", role: "rowheader", class: first.kind }, button),
      ...rest.map((column) => node("td", { role: "cell", class: column.kind }, column.words(cell))));
  }

  mark(name) {
    this.chosen = name;
    for (const button of this.root.querySelectorAll("[aria-current]")) {
      button.removeAttribute("aria-current");
    }
    for (const button of this.root.querySelectorAll(".bb-item")) {
      if (button.dataset.name === name) button.setAttribute("aria-current", "true");
    }
  }
}
