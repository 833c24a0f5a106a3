// The pictures in their groups, and the way through them by keyboard.

import { groupText } from "./grid_words.js";
import { node, place } from "./grid_nodes.js";

export class List {
  // `help` is the id of what says how to walk through it.
  constructor(help) {
    this.help = help;
    this.root = node("div", { class: "bb-list" });
    this.sections = new Map();
    this.none = node("p", { class: "bb-nothing" });
  }

  section(key) {
    const heading = node("div", { class: "bb-heading", role: "heading", "aria-level": "3" },
      node("button", { type: "button", class: "bb-item bb-fold", tabindex: "-1", "data-group": key ?? "" },
        node("span", { class: "bb-arrow", "aria-hidden": "true" }, "▾"), node("span")));
    const cells = node("div", {
      class: "bb-cells", role: "listbox", "aria-describedby": this.help,
    });
    return { root: node("div", { class: "bb-group" }, heading, cells), heading, cells };
  }

  // Show groups of cells, each with a heading that folds it; a group without a key has none.
  show(groups, elements, folded, say) {
    const shown = groups.filter((group) => group.cells.length);
    for (const key of [...this.sections.keys()]) {
      if (!shown.some((group) => group.key === key)) this.sections.delete(key);
    }
    const parts = shown.map((group) => {
      const { key } = group;
      if (!this.sections.has(key)) this.sections.set(key, this.section(key));
      const { root, heading, cells } = this.sections.get(key);
      const open = key === null || !folded.has(key);
      const text = key === null ? say("list") : groupText(group, say);
      const button = heading.firstChild;
      heading.hidden = key === null;
      button.setAttribute("aria-expanded", String(open));
      button.lastChild.textContent = text;
      cells.hidden = !open;
      cells.setAttribute("aria-label", text);
      place(cells, group.cells.map((cell) => elements.get(cell.name)));
      return root;
    });
    place(this.root, parts.length ? parts : [this.none]);
  }
}

// The nearest thing in the row above or below, by where things are.
export function across(items, at, step) {
  const here = items[at].getBoundingClientRect();
  let row = null;
  let best = at;
  let least = Infinity;
  for (let i = at + step; i >= 0 && i < items.length; i += step) {
    const box = items[i].getBoundingClientRect();
    if (step > 0 ? box.top < here.bottom - 1 : box.bottom > here.top + 1) continue;
    row ??= box.top;
    if (Math.abs(box.top - row) > 1) break;
    const away = Math.abs(box.left - here.left);
    if (away < least) [best, least] = [i, away];
  }
  return best;
}

// Where a key leads from an item; undefined if it is none of these keys.
export function moved(key, at, items) {
  const last = items.length - 1;
  switch (key) {
    case "ArrowRight": return Math.min(last, at + 1);
    case "ArrowLeft": return Math.max(0, at - 1);
    case "ArrowDown": return across(items, at, 1);
    case "ArrowUp": return across(items, at, -1);
    case "Home": return 0;
    case "End": return last;
    default: return undefined;
  }
}
