// Old and new file side by side: a row a line, and below a line what is said of it.

import { isShown, part, reveal } from "./migration_parts.js";

const MARKS = { "": ["", ""], "-": ["−", ""], "+": ["", "+"], "~": ["−", "+"] };
const TAGS = { "−": "del", "+": "ins", "": "span" };
const NAMES = { "−": "gone", "+": "come", "": "same" };

function lineCells(row, number, mark, text) {
  const place = part("td", "number", number ?? "");
  const cell = part("td", `code bb-${NAMES[mark]}`);
  if (number !== null) {
    const sign = part("span", "sign", mark || " ");
    cell.append(sign, part(TAGS[mark], "text", text));
  } else cell.classList.add("bb-none");
  row.append(place, cell);
  return cell;
}

export class LineTable {
  // `choose` gets the place of a note that a line is marked with, `leave` goes back to the list.
  constructor(choose, leave) {
    this.choose = choose;
    this.root = part("div", "lines");
    this.root.setAttribute("role", "region");
    this.root.tabIndex = 0;
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      leave();
    });
  }

  show(content, choice, allLines) {
    const { lines, words } = content;
    [this.content, this.choice] = [content, choice];
    this.root.setAttribute("aria-label", words.side_by_side);
    const table = part("table", "table");
    const columns = part("colgroup", "columns");
    for (const name of ["number", "code", "number", "code"]) columns.append(part("col", `${name}-column`));
    table.append(columns);
    const head = part("tr", "head");
    for (const word of words.heads) {
      const cell = part("th", "side", word);
      cell.colSpan = 2;
      cell.scope = "colgroup";
      head.append(cell);
    }
    table.createTHead().append(head);
    const body = table.createTBody();
    this.rows = [];
    let fold = null;
    for (const line of lines) {
      if (line.fold) body.append(fold = this.foldRow(line.fold));
      const row = this.lineRow(line);
      this.rows.push(row);
      body.append(row);
      if (line.fold === undefined) fold = null;
      else {
        fold.hidden = allLines;
        row.hidden = !allLines;
        row.foldedBy = fold;
      }
      for (const at of line.notes) {
        if (isShown(content.notes[at], choice)) body.append(this.remarkRow(at));
      }
    }
    this.root.replaceChildren(table);
  }

  lineRow(line) {
    const row = part("tr", "line");
    row.dataset.sign = line.sign;
    const [gone, come] = MARKS[line.sign];
    const old = lineCells(row, line.old, gone, line.before);
    const made = lineCells(row, line.new, come, line.after);
    this.mark(line.old_rules, old);
    this.mark(line.new_rules, made);
    return row;
  }

  // The numbers of the notes that explain a line, at its end.
  mark(rules, cell) {
    const { notes, words } = this.content;
    const refs = part("span", "refs");
    for (const at of rules) {
      if (!isShown(notes[at], this.choice)) continue;
      const label = words.to_note.replace("{n}", at + 1).replace("{rule}", this.content.rules[at]);
      const link = part("button", "ref", at + 1);
      link.type = "button";
      link.tabIndex = -1; // the keys go by the list
      link.title = label;
      link.setAttribute("aria-label", label);
      link.addEventListener("click", () => this.choose(at));
      refs.append(link);
    }
    if (refs.children.length) cell.append(refs);
  }

  remarkRow(at) {
    const note = this.content.notes[at];
    const row = part("tr", "remark");
    row.dataset.severity = note.severity;
    row.dataset.note = at;
    const cell = part("td", "said");
    cell.colSpan = 4;
    cell.append(part("span", "ref", at + 1), " ", part("span", "severity", note.word), " ", note.text);
    cell.append(" ", part("span", "rule", note.rule));
    row.append(cell);
    return row;
  }

  foldRow(words) {
    const row = part("tr", "fold");
    const cell = part("td", "folded");
    cell.colSpan = 4;
    const open = part("button", "open", words);
    open.type = "button";
    open.addEventListener("click", () => this.unfold(row, true));
    cell.append(open);
    row.append(cell);
    return row;
  }

  unfold(fold, focus = false) {
    fold.hidden = true;
    const shown = this.rows.filter((row) => row.foldedBy === fold);
    for (const row of shown) row.hidden = false;
    if (focus && shown.length) this.go(shown[0]);
  }

  go(row) {
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
  }

  // Show the line of a note; -1 stands for none.
  reveal(at, focus = false) {
    for (const old of this.root.querySelectorAll(".bb-current")) old.classList.remove("bb-current");
    const row = this.rows[this.content.notes[at]?.row];
    if (!row) return;
    if (row.hidden) this.unfold(row.foldedBy);
    row.classList.add("bb-current");
    this.root.querySelector(`.bb-remark[data-note="${at}"]`)?.classList.add("bb-current");
    reveal(this.root, row);
    if (focus) this.go(row);
  }
}
