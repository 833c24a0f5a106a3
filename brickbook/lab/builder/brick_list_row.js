// One row of the list. Names come from configs, so text only ever becomes text nodes.

const COLUMNS = ["number", "brick", "output", "params", "macs"];
const HEADS = { brick: "head.brick", output: "head.output", params: "head.params", macs: "head.macs" };

export function element(tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = `bb-${name}`;
  made.textContent = text;
  return made;
}

function cell(parent, name, text) {
  const made = element("span", name, text);
  parent.append(made);
  return made;
}

export function headRow(words) {
  const row = element("div", "row");
  row.classList.add("bb-head");
  row.setAttribute("aria-hidden", "true");
  for (const name of COLUMNS) cell(row, name, words[HEADS[name]] ?? "");
  return row;
}

export function makeRow() {
  const row = document.createElement("li");
  row.setAttribute("role", "treeitem");
  return row;
}

const SIGNS = new Map([[null, ""], [true, "▾"], [false, "▸"]]);

function title(row, brick) {
  const place = cell(row, "brick");
  cell(place, "fold", SIGNS.get(brick.open)).setAttribute("aria-hidden", "true");
  cell(place, "kind", brick.kind);
  if (brick.arguments) cell(place, "arguments", ` (${brick.arguments})`);
}

// Write what a row says anew.
export function fill(row, brick) {
  row.className = brick.brick ? "bb-row" : "bb-row bb-place";
  row.classList.toggle("bb-wrong", brick.error !== "");
  row.setAttribute("aria-level", brick.level);
  if (brick.open === null) row.removeAttribute("aria-expanded");
  else row.setAttribute("aria-expanded", brick.open);
  row.draggable = brick.brick;
  row.style.setProperty("--bb-level", brick.level - 1);
  row.replaceChildren();
  cell(row, "number", brick.number);
  title(row, brick);
  if (!brick.brick) return; // a place has the whole line for its words
  for (const key of ["output", "params", "macs"]) cell(row, key, brick[key]);
  if (!brick.error) return;
  const place = cell(row, "error", `⚠ ${brick.error} `);
  if (!brick.fix) return;
  const button = element("button", "fix", brick.fix);
  button.type = "button";
  button.tabIndex = -1; // by keys the one beside the form
  place.append(button);
}
