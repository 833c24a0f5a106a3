// The list of notes: one of them is chosen, and keys go from one to the next.

import { isShown, moved, part, reveal } from "./migration_parts.js";

function fillNote(item, note, at) {
  item.dataset.severity = note.severity;
  const number = part("span", "number");
  number.append(part("span", "ref", at + 1));
  item.append(number, part("span", "place", note.place), part("span", "severity", note.word));
  const said = part("span", "said", note.text);
  said.append(" ", part("span", "rule", note.rule));
  item.append(said);
}

export class NoteList {
  // `choose` gets the place of a note among all, `enter` too: its line is gone to.
  constructor(id, choose, enter) {
    [this.id, this.choose, this.enter] = [id, choose, enter];
    this.root = part("div", "notes");
    this.list = part("ul", "list");
    this.list.setAttribute("role", "listbox");
    this.empty = part("div", "empty");
    this.keys = part("div", "keys");
    this.keys.id = `${id}-keys`;
    this.list.setAttribute("aria-describedby", this.keys.id);
    this.root.append(this.list, this.empty, this.keys);
    this.list.addEventListener("click", (event) => this.press(event));
    this.list.addEventListener("keydown", (event) => this.type(event));
  }

  show(content, choice, selected) {
    const { notes, words } = content;
    this.list.setAttribute("aria-label", words.notes);
    this.list.replaceChildren();
    notes.forEach((note, at) => {
      if (!isShown(note, choice)) return;
      const item = part("li", "note");
      item.setAttribute("role", "option");
      item.dataset.at = at;
      fillNote(item, note, at);
      this.list.append(item);
    });
    const none = !this.list.children.length;
    this.list.hidden = this.keys.hidden = none;
    this.empty.hidden = !none;
    this.empty.textContent = words.no_notes;
    this.keys.textContent = words.keys;
    this.mark(selected);
  }

  mark(selected) {
    const items = [...this.list.children];
    const chosen = items.find((item) => Number(item.dataset.at) === selected);
    for (const item of items) {
      item.setAttribute("aria-selected", item === chosen);
      item.tabIndex = item === (chosen ?? items[0]) ? 0 : -1;
    }
    if (chosen) reveal(this.list, chosen);
  }

  focus() {
    this.list.querySelector("[tabindex='0']")?.focus({ preventScroll: true });
  }

  press(event) {
    const item = event.target.closest("li");
    if (!item) return;
    item.focus({ preventScroll: true });
    this.choose(Number(item.dataset.at));
  }

  type(event) {
    const items = [...this.list.children];
    const item = event.target.closest("li");
    const to = items[moved(event.key, items.indexOf(item), items.length)];
    if (to) this.choose(Number(to.dataset.at));
    else if (event.key === "Enter" && item) this.enter(Number(item.dataset.at));
    else return;
    event.preventDefault();
    event.stopPropagation();
    to?.focus({ preventScroll: true });
  }
}
