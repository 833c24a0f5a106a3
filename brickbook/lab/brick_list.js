// The bricks of a blueprint as a tree: keys and the mouse choose, fold, move; every text is textContent.

const COLUMNS = ["number", "brick", "output", "params", "macs"];
const HEADS = { brick: "head.brick", output: "head.output", params: "head.params", macs: "head.macs" };
const DRAGGED = "application/x-brickbook-brick";
// What a key does, written with its modifiers; edits go to the kernel by their names.
const EDITS = {
  "Alt+ArrowUp": "up",
  "Alt+ArrowDown": "down",
  "Alt+ArrowLeft": "out",
  "Alt+ArrowRight": "into",
  Delete: "delete",
  Backspace: "delete",
  "Ctrl+d": "duplicate",
  "Ctrl+z": "undo",
  "Ctrl+y": "redo",
  "Ctrl+Shift+z": "redo",
};

function cell(parent, name, text = "") {
  const node = document.createElement("span");
  node.className = `bb-${name}`;
  node.textContent = text;
  parent.appendChild(node);
  return node;
}

function headRow(words) {
  const row = document.createElement("div");
  row.className = "bb-row bb-head";
  row.setAttribute("aria-hidden", "true");
  for (const name of COLUMNS) cell(row, name, words[HEADS[name]] ?? "");
  return row;
}

function makeRow() {
  const row = document.createElement("li");
  row.setAttribute("role", "treeitem");
  return row;
}

function fill(row, brick) {
  row.className = brick.brick ? "bb-row" : "bb-row bb-place";
  row.classList.toggle("bb-wrong", brick.error !== "");
  row.setAttribute("aria-level", brick.level);
  if (brick.open === null) row.removeAttribute("aria-expanded");
  else row.setAttribute("aria-expanded", brick.open);
  row.draggable = brick.brick;
  row.style.setProperty("--bb-level", brick.level - 1);
  row.replaceChildren();
  cell(row, "number", brick.number);
  const name = cell(row, "brick");
  const fold = cell(name, "fold", brick.open === null ? "" : brick.open ? "▾" : "▸");
  fold.setAttribute("aria-hidden", "true");
  cell(name, "kind", brick.kind);
  if (brick.arguments) cell(name, "arguments", ` (${brick.arguments})`);
  if (!brick.brick) return; // a place has the whole line for its words
  cell(row, "output", brick.output).title = brick.output ? `output ${brick.output}` : "";
  cell(row, "params", brick.params).title = brick.params ? `${brick.params} parameters` : "";
  cell(row, "macs", brick.macs).title = brick.macs ? `${brick.macs} multiply-adds` : "";
  if (brick.error) cell(row, "error", `⚠ ${brick.error}`);
}

const same = (left, right) => JSON.stringify(left) === JSON.stringify(right);

/** The rows of the same chain: equal paths but for the last number. */
function neighbour(rows, at, by) {
  const path = rows[at]?.path ?? [];
  const wanted = [...path.slice(0, -1), path[path.length - 1] + by];
  return rows.findIndex((row) => row.brick && same(row.path, wanted));
}

function parentOf(rows, at) {
  for (let above = at - 1; above >= 0; above -= 1) if (rows[above].level < rows[at].level) return above;
  return -1;
}

function keyName(event) {
  const held = [
    [event.ctrlKey || event.metaKey, "Ctrl"],
    [event.altKey, "Alt"],
    [event.shiftKey, "Shift"],
  ];
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return [...held.filter(([is]) => is).map(([, name]) => name), key].join("+");
}

/** Where a brick would go that is dropped at this height of a row. */
function dropPlace(row, brick, y) {
  if (!brick.brick) return "inside";
  const box = row.getBoundingClientRect();
  const part = (y - box.top) / box.height;
  if (brick.open !== null && part > 0.3 && part < 0.7) return "inside";
  return part < 0.5 ? "before" : "after";
}

function render({ model, el }) {
  const mine = Math.random().toString(36).slice(2);
  const words = model.get("words");
  const box = document.createElement("div");
  box.className = "bb-bricks";
  box.setAttribute("data-lm-suppress-shortcuts", "true"); // the notebook has keys of its own
  const list = document.createElement("ul");
  list.setAttribute("role", "tree");
  list.setAttribute("aria-label", words.list);
  list.setAttribute("aria-multiselectable", "true");
  const empty = document.createElement("div");
  empty.className = "bb-empty";
  empty.tabIndex = 0;
  empty.textContent = words["no bricks"];
  const keys = document.createElement("div");
  keys.className = "bb-keys";
  keys.id = `bb-${mine}`;
  keys.textContent = words.keys;
  list.setAttribute("aria-describedby", keys.id);
  box.append(headRow(words), list, empty, keys);
  el.appendChild(box);

  const rows = () => model.get("rows");
  const hasFocus = () => box.contains(box.getRootNode().activeElement);
  const send = (edit, more = {}) => model.send({ do: edit, ...more });

  function choose(at) {
    if (!rows().length) return;
    model.set("selected", Math.min(Math.max(at, 0), rows().length - 1));
    model.save_changes();
    mark(true);
  }

  function mark(focus = hasFocus()) {
    const at = model.get("selected");
    const marked = model.get("marked");
    [...list.children].forEach((row, index) => {
      row.setAttribute("aria-selected", index === at || marked.includes(index));
      row.classList.toggle("bb-current", index === at);
      row.tabIndex = index === at ? 0 : -1;
    });
    const row = list.children[at];
    if (!row) return;
    if (focus) row.focus({ preventScroll: true });
    // Scroll inside the list only: scrollIntoView would move the notebook too.
    if (row.offsetTop < list.scrollTop) list.scrollTop = row.offsetTop;
    const end = row.offsetTop + row.offsetHeight;
    if (end > list.scrollTop + list.clientHeight) list.scrollTop = end - list.clientHeight;
  }

  let painted = [];
  function paint() {
    const focus = hasFocus();
    const bricks = rows();
    while (list.children.length > bricks.length) list.lastChild.remove();
    while (list.children.length < bricks.length) list.appendChild(makeRow());
    bricks.forEach((brick, at) => {
      if (!same(brick, painted[at])) fill(list.children[at], brick);
    });
    painted = bricks;
    list.hidden = bricks.length === 0;
    empty.hidden = bricks.length > 0;
    mark(focus);
    if (focus && !bricks.length) empty.focus();
  }

  function fold(at) {
    if (rows()[at]?.open !== null) send("fold", { path: rows()[at].path });
  }

  function sideways(at, right) {
    const brick = rows()[at];
    if (!brick) return;
    if (right && brick.open !== null) {
      if (!brick.open) fold(at);
      else if (rows()[at + 1]?.level > brick.level) choose(at + 1);
    } else if (right && !brick.brick) {
      if (rows()[at + 1]?.level > brick.level) choose(at + 1);
    } else if (!right && brick.open && rows()[at + 1]?.level > brick.level) fold(at);
    else if (!right && parentOf(rows(), at) >= 0) choose(parentOf(rows(), at));
  }

  function extend(to) {
    if (rows()[to]) send("extend", { path: rows()[to].path });
  }

  const STEPS = {
    ArrowUp: (at) => choose(at - 1),
    ArrowDown: (at) => choose(at + 1),
    Home: () => choose(0),
    End: () => choose(Infinity),
    ArrowRight: (at) => sideways(at, true),
    ArrowLeft: (at) => sideways(at, false),
    "Shift+ArrowUp": (at) => extend(neighbour(rows(), at, -1)),
    "Shift+ArrowDown": (at) => extend(neighbour(rows(), at, 1)),
  };

  box.addEventListener("keydown", (event) => {
    const name = keyName(event);
    if (!(name in STEPS) && !(name in EDITS)) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook would go to the next cell
    if (name in STEPS) STEPS[name](model.get("selected"));
    else send(EDITS[name]);
  });

  const indexOf = (event) => [...list.children].indexOf(event.target.closest("li"));

  list.addEventListener("click", (event) => {
    const at = indexOf(event);
    if (at < 0) return;
    if (event.target.closest(".bb-fold") && rows()[at].open !== null) fold(at);
    else if (event.shiftKey) extend(at);
    else choose(at);
  });
  list.addEventListener("dblclick", (event) => fold(indexOf(event)));

  let target = null;
  function point(row, where) {
    if (target) target.removeAttribute("data-drop");
    target = row;
    if (row) row.dataset.drop = where;
  }

  list.addEventListener("dragstart", (event) => {
    const at = indexOf(event);
    const taken = at === model.get("selected") || model.get("marked").includes(at);
    if (!taken) choose(at);
    event.dataTransfer.setData(DRAGGED, mine);
    event.dataTransfer.effectAllowed = "move";
    event.stopPropagation();
  });
  list.addEventListener("dragover", (event) => {
    const at = indexOf(event);
    if (at < 0 || !event.dataTransfer.types.includes(DRAGGED)) return;
    event.preventDefault();
    event.stopPropagation();
    event.dataTransfer.dropEffect = "move";
    point(list.children[at], dropPlace(list.children[at], rows()[at], event.clientY));
  });
  list.addEventListener("dragleave", (event) => {
    if (!list.contains(event.relatedTarget)) point(null);
  });
  list.addEventListener("dragend", () => point(null));
  list.addEventListener("drop", (event) => {
    const at = indexOf(event);
    if (at < 0 || event.dataTransfer.getData(DRAGGED) !== mine) return point(null);
    event.preventDefault();
    event.stopPropagation();
    send("move", { path: rows()[at].path, where: dropPlace(list.children[at], rows()[at], event.clientY) });
    point(null);
  });

  function copy(message) {
    if (message.copy === undefined || !navigator.clipboard) return;
    navigator.clipboard.writeText(message.copy).then(
      () => model.send({ copied: true }),
      () => {}, // no permission: the text is shown below anyway
    );
  }

  const marked = () => mark();
  model.on("change:rows", paint);
  model.on("change:selected", marked);
  model.on("change:marked", marked);
  model.on("msg:custom", copy);
  paint();

  return () => {
    model.off("change:rows", paint);
    model.off("change:selected", marked);
    model.off("change:marked", marked);
    model.off("msg:custom", copy);
  };
}

export default { render };
