// The bricks of a blueprint as a listbox: arrow keys choose, every text is textContent.

const HEAD = ["", "Brick", "Output", "Parameters"];

function cell(parent, className, text) {
  const node = document.createElement("span");
  node.className = className;
  node.textContent = text;
  parent.appendChild(node);
  return node;
}

function headRow() {
  const row = document.createElement("div");
  row.className = "bb-row bb-head";
  row.setAttribute("aria-hidden", "true");
  ["bb-number", "bb-brick", "bb-output", "bb-params"].forEach((name, at) => cell(row, name, HEAD[at]));
  return row;
}

function option(brick, at, id) {
  const row = document.createElement("li");
  row.className = brick.error ? "bb-row bb-wrong" : "bb-row";
  row.id = `${id}-${at}`;
  row.setAttribute("role", "option");
  cell(row, "bb-number", `${at + 1}`);
  const name = cell(row, "bb-brick", "");
  cell(name, "bb-kind", brick.kind);
  if (brick.arguments) cell(name, "bb-arguments", ` (${brick.arguments})`);
  cell(row, "bb-output", brick.output).title = brick.output ? `output ${brick.output}` : "";
  cell(row, "bb-params", brick.params).title = `${brick.params} parameters`;
  if (brick.error) cell(row, "bb-error", `⚠ ${brick.error}`);
  return row;
}

function render({ model, el }) {
  const id = `bb-${Math.random().toString(36).slice(2)}`;
  const box = document.createElement("div");
  box.className = "bb-bricks";
  const list = document.createElement("ul");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Bricks of the model");
  list.tabIndex = 0;
  const empty = document.createElement("div");
  empty.className = "bb-empty";
  empty.textContent = "No bricks yet.";
  box.append(headRow(), list, empty);
  el.appendChild(box);

  function choose(at) {
    const last = model.get("rows").length - 1;
    if (last < 0) return;
    model.set("selected", Math.min(Math.max(at, 0), last));
    model.save_changes();
  }

  function mark() {
    const at = model.get("selected");
    [...list.children].forEach((row, index) => row.setAttribute("aria-selected", index === at));
    const row = list.children[at];
    if (row) {
      list.setAttribute("aria-activedescendant", row.id);
      // Scroll inside the list only: scrollIntoView would move the notebook too.
      if (row.offsetTop < list.scrollTop) list.scrollTop = row.offsetTop;
      const end = row.offsetTop + row.offsetHeight;
      if (end > list.scrollTop + list.clientHeight) list.scrollTop = end - list.clientHeight;
    } else {
      list.removeAttribute("aria-activedescendant");
    }
  }

  function paint() {
    const rows = model.get("rows");
    list.replaceChildren(...rows.map((brick, at) => option(brick, at, id)));
    list.hidden = rows.length === 0;
    empty.hidden = rows.length > 0;
    mark();
  }

  list.addEventListener("click", (event) => {
    const row = event.target.closest("li");
    if (row) choose([...list.children].indexOf(row));
  });
  list.addEventListener("keydown", (event) => {
    const at = model.get("selected");
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: Infinity }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook would go to the next cell
    choose(to);
  });

  model.on("change:rows", paint);
  model.on("change:selected", mark);
  model.on("msg:custom", copy);
  paint();

  function copy(message) {
    if (message.copy === undefined || !navigator.clipboard) return;
    navigator.clipboard.writeText(message.copy).then(
      () => model.send({ copied: true }),
      () => {}, // no permission: the text is shown below anyway
    );
  }

  return () => {
    model.off("change:rows", paint);
    model.off("change:selected", mark);
    model.off("msg:custom", copy);
  };
}

export default { render };
