// One small histogram per parameter: an anywidget module that a plain page can run as well.
// Reads the traits meta (object), buffer (DataView), rev (number); reads and writes selected, log_counts.
// Names come from configs and checkpoints, so text only ever becomes text nodes.
// All in one file, however long: a widget is one module, and a page inlines it.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 200;
const HEIGHT = 64;
const CUT = 4; // a bin may be so many times higher than the lower of the two peaks
const ARRAYS = {
  u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array,
};
const TAIL = 26; // so many letters at the end of a name are never shortened away
const STATUS = { all: "all", changed: "changed", untouched: "untouched" };
const ORDER = { depth: "depth", size: "size", ratio: "std ratio" };

const number = (value) => {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size && (size >= 1e5 || size < 1e-4)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
};
const whole = (value) => value.toLocaleString("en-US");
const sum = (values) => values.reduce((total, value) => total + value, 0);
const peak = (values) => values.reduce((most, value) => Math.max(most, value), 0);

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The cells of a payload, with their counts read from the buffer.
function decode(meta, buffer) {
  const bytes = new Uint8Array(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength);
  const read = (place) => {
    if (!place) return [];
    const [code, start, length] = place;
    const Kind = ARRAYS[code];
    // A copy, because a typed array wants its start aligned.
    return new Kind(bytes.slice(start, start + length * Kind.BYTES_PER_ELEMENT).buffer);
  };
  return (meta.cells ?? []).map((cell, depth) => ({
    ...cell, depth,
    counts: { before: read(cell.at.before), after: read(cell.at.after), law: read(cell.at.law) },
  }));
}

// Std found over std expected; without a law, over the one before.
function ratio(cell) {
  const found = cell.after?.std;
  const wanted = cell.expected ? cell.expected.std : cell.before?.std;
  return found && wanted ? Math.abs(Math.log(found / wanted)) : found === wanted ? 0 : Infinity;
}

// A parameter may be untouched because what was written is what was there.
const badgeText = (cell) => (cell.same ? "same values" : cell.status);

// Of a point mass the mean says more than the std. "next" is a law that has not been drawn yet.
function against(cell) {
  const key = cell.expected?.std === 0 ? "mean" : "std";
  const found = (cell.after ?? cell.before)?.[key];
  const wanted = cell.expected && `${cell.next ? "next" : "expected"} ${number(cell.expected[key])}`;
  return [`${key} ${number(found)}`, wanted];
}

function summary(cell) {
  const parts = [cell.name, `${whole(cell.count)} values`, badgeText(cell)];
  if (cell.law) parts.push(cell.law);
  const [found, wanted] = against(cell);
  if (cell.after) parts.push(found);
  if (cell.before && cell.status === "changed") {
    parts.push(`was ${number(cell.before[found.split(" ")[0]])}`);
  }
  if (wanted) parts.push(wanted);
  return parts.concat(cell.note ? [cell.note] : []).join(", ");
}

function stdLine(cell) {
  if (cell.note && !cell.after) return cell.note;
  const [found, wanted] = against(cell);
  let text = found;
  if (wanted) text += `, ${wanted}`;
  else if (cell.status === "changed" && cell.before) text += `, was ${number(cell.before.std)}`;
  return cell.note ? `${text}, ${cell.note}` : text;
}

function path(kind, points) {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("class", kind);
  made.setAttribute("d", points);
  return made;
}

// Steps over the bins, down to the base line at both ends.
function steps(counts, height) {
  const wide = WIDTH / counts.length;
  let text = `M0 ${HEIGHT}`;
  for (let i = 0; i < counts.length; i += 1) {
    text += `V${height(counts[i]).toFixed(2)}H${((i + 1) * wide).toFixed(2)}`;
  }
  return `${text}V${HEIGHT}`;
}

// A constant fills its one bin: leave room on both sides, so that it looks like a spike.
function roomy(cell) {
  if (cell.bins !== 1) return cell;
  const pad = (values) => (values.length ? [0, 0, 0, 0, ...values, 0, 0, 0, 0] : values);
  const counts = Object.fromEntries(Object.entries(cell.counts).map(([k, v]) => [k, pad(v)]));
  return { ...cell, counts, bins: 9, low: cell.low - 4 * cell.width };
}

function lawPath(cell, height) {
  const { bins, low, width, expected, counts } = cell;
  if (expected && expected.std === 0) {
    // In the middle of its bin, where the bar of a constant is.
    const x = ((Math.floor((expected.mean - low) / width) + 0.5) / bins) * WIDTH;
    return `M${x.toFixed(2)} ${HEIGHT}V2`;
  }
  const wide = WIDTH / bins;
  return Array.from(counts.law, (value, i) =>
    `${i ? "L" : "M"}${((i + 0.5) * wide).toFixed(2)} ${height(value).toFixed(2)}`).join("");
}

function draw(element, given, log) {
  const cell = roomy(given);
  const { before, after, law } = cell.counts;
  const peaks = [peak(before), peak(after)].filter((value) => value > 0);
  const most = peaks.length ? Math.max(...peaks) : 1;
  // A spike beside a wide law would flatten it: the spike is cut, and the axis says so.
  const top = log ? most : Math.min(most, CUT * Math.min(...peaks, most));
  const scale = log ? (value) => Math.log10(1 + value) / Math.log10(1 + top) : (v) => v / top;
  const height = (value) => HEIGHT - Math.min(1, scale(value)) * (HEIGHT - 3);
  const picture = element.querySelector("svg");
  const paths = [];
  const kind = cell.status === "untouched" ? "bb-same" : "bb-after";
  if (after.length) paths.push(path(kind, steps(after, height)));
  if (before.length) paths.push(path("bb-before", steps(before, height)));
  if (law.length || (cell.bins && cell.expected?.std === 0)) paths.push(path("bb-law", lawPath(cell, height)));
  picture.replaceChildren(...paths);
  const [left, middle, right] = element.querySelector(".bb-axis").children;
  left.textContent = cell.bins ? number(cell.low) : "";
  right.textContent = cell.bins ? number(cell.low + cell.bins * cell.width) : "";
  middle.textContent = top < most ? `↑ ${whole(most)}` : "";
  if (given.bins === 1 && given.after?.std === 0) {
    left.textContent = right.textContent = "";
    middle.textContent = `all ${number(given.after.mean)}`;
  }
}

function build(cell) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("role", "img");
  const dots = cell.name.lastIndexOf(".", cell.name.lastIndexOf(".") - 1) + 1;
  const cut = Math.max(dots, cell.name.length - TAIL);
  const axis = { class: "bb-axis", "aria-hidden": "true" };
  return node(
    "div", { class: "bb-cell", role: "option", tabindex: "-1", "data-name": cell.name },
    node("div", { class: "bb-top" },
      node("span", { class: "bb-head" }, cell.name.slice(0, cut)),
      node("span", { class: "bb-tail" }, cell.name.slice(cut))),
    node("div", { class: "bb-what" },
      node("span", { class: "bb-shape" }), node("span", { class: "bb-badge" })),
    node("div", { class: "bb-rule" }), picture,
    node("div", axis, node("span"), node("span"), node("span")),
    node("div", { class: "bb-std" }),
  );
}

// Write everything but the picture.
function fill(element, cell) {
  element.__data = cell;
  element.title = [cell.name, cell.rule && `${cell.rule} by ${cell.source}`, cell.reason]
    .filter(Boolean).join("\n");
  for (const side of ["before", "after"]) {
    element.setAttribute(`data-${side}-total`, sum(cell.counts[side]));
  }
  element.querySelector("svg").setAttribute("aria-label", summary(cell));
  const badge = element.querySelector(".bb-badge");
  badge.textContent = badgeText(cell) + (cell.frozen ? ", frozen" : "");
  badge.className = `bb-badge bb-${cell.status}`;
  element.querySelector(".bb-shape").textContent = cell.shape.join("×") || "scalar";
  element.querySelector(".bb-rule").textContent = cell.law ?? cell.reason ?? "";
  element.querySelector(".bb-std").textContent = stdLine(cell);
}

function table(cells) {
  const heads = ["parameter", "values", "mean before", "mean after", "std before", "std after",
    "expected std"];
  const row = (cell) => [
    whole(cell.count), number(cell.before?.mean), number(cell.after?.mean),
    number(cell.before?.std), number(cell.after?.std), number(cell.expected?.std),
  ].map((text) => node("td", {}, text));
  return node("table", {},
    node("thead", {}, node("tr", {}, ...heads.map((h) => node("th", { scope: "col" }, h)))),
    node("tbody", {}, ...cells.map((cell) =>
      node("tr", {}, node("th", { scope: "row" }, cell.name), ...row(cell)))));
}

function menu(choices) {
  return node("select", {}, ...Object.entries(choices).map(([value, text]) =>
    node("option", { value }, text)));
}

function controls() {
  const parts = {
    search: node("input", { type: "search", placeholder: "name, law, rule" }),
    status: menu(STATUS), order: menu(ORDER), log: node("input", { type: "checkbox" }),
    told: node("span", { class: "bb-told", role: "status" }),
  };
  const key = (kind, text) => node("span", { class: "bb-key" }, node("i", { class: kind }), text);
  parts.bar = node("div", { class: "bb-bar" },
    node("label", {}, "Filter ", parts.search), node("label", {}, "Show ", parts.status),
    node("label", {}, "Sort by ", parts.order), node("label", {}, parts.log, " log counts"),
    node("span", { class: "bb-legend" }, key("bb-k-before", "before"), key("bb-k-after", "after"),
      key("bb-k-law", "law")), parts.told);
  return parts;
}

function passes(cell, words, status) {
  if (status === "untouched" && cell.status !== status) return false;
  if (status === "changed" && cell.status === "untouched") return false;
  const text = [cell.name, cell.law, cell.rule, cell.source, cell.module].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

const COMPARE = {
  depth: (a, b) => a.depth - b.depth,
  size: (a, b) => b.count - a.count || a.depth - b.depth,
  ratio: (a, b) => (ratio(b) === ratio(a) ? a.depth - b.depth : ratio(b) - ratio(a)),
};

function moved(key, at, list) {
  const columns = getComputedStyle(list).gridTemplateColumns.split(" ").length;
  const last = list.children.length - 1;
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns,
    ArrowUp: at - columns, Home: 0, End: last }[key];
  return to === undefined ? undefined : Math.max(0, Math.min(last, to));
}

class Grid {
  constructor(model, host) {
    this.model = model;
    this.elements = new Map();
    this.parts = controls();
    this.list = node("div", { class: "bb-list", role: "listbox",
      "aria-label": "Histograms, one per parameter" });
    this.numbers = node("details", { class: "bb-table" }, node("summary", {}, "Show as table"));
    // Letters are shortcuts in a notebook: "d d" would delete the cell.
    this.root = node("div", { class: "bb-grid", "data-lm-suppress-shortcuts": "true" },
      this.parts.bar, this.list, this.numbers);
    this.seen = new IntersectionObserver((entries) => this.reach(entries), { rootMargin: "300px" });
    this.listen();
    host.append(this.root);
    this.parts.log.checked = Boolean(this.model.get("log_counts"));
    this.refresh();
  }

  listen() {
    const { search, status, order, log } = this.parts;
    this.list.addEventListener("click", (event) => this.choose(event.target.closest(".bb-cell")));
    this.root.addEventListener("keydown", (event) => this.press(event));
    search.addEventListener("input", () => this.arrange());
    for (const select of [status, order]) select.addEventListener("change", () => this.arrange());
    log.addEventListener("change", () => {
      this.model.set("log_counts", log.checked);
      this.model.save_changes();
      this.paint();
    });
    this.numbers.addEventListener("toggle", () => this.tabulate());
    this.follow = { "change:rev": () => this.refresh(), "change:selected": () => this.mark(),
      "change:log_counts": () => this.scale() };
    for (const [event, act] of Object.entries(this.follow)) this.model.on(event, act);
  }

  // Draw what has come near the window; the rest waits.
  reach(entries) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      this.seen.unobserve(target);
      draw(target, target.__data, this.parts.log.checked);
    }
  }

  refresh() {
    const cells = decode(this.model.get("meta"), this.model.get("buffer"));
    this.elements = new Map(cells.map((cell) => {
      const element = this.elements.get(cell.name) ?? build(cell);
      fill(element, cell);
      return [cell.name, element];
    }));
    this.mark();
    this.arrange();
  }

  arrange() {
    const { search, status, order, told } = this.parts;
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = [...this.elements.values()]
      .filter((element) => passes(element.__data, words, status.value))
      .sort((a, b) => COMPARE[order.value](a.__data, b.__data));
    this.list.replaceChildren(...shown);
    this.list.hidden = !shown.length;
    told.textContent = `${whole(shown.length)} of ${whole(this.elements.size)} parameters`;
    const selected = this.elements.get(this.model.get("selected"));
    this.enter(shown.includes(selected) ? selected : shown[0]);
    this.paint();
  }

  paint() {
    this.seen.disconnect();
    for (const element of this.list.children) this.seen.observe(element);
    this.tabulate();
  }

  scale() {
    this.parts.log.checked = Boolean(this.model.get("log_counts"));
    this.paint();
  }

  // The table is only there while it is open: a thousand rows are many nodes.
  tabulate() {
    while (this.numbers.children.length > 1) this.numbers.lastChild.remove();
    if (!this.numbers.open) return;
    this.numbers.append(table(Array.from(this.list.children, (element) => element.__data)));
  }

  // One cell at a time is in the tab order.
  enter(element) {
    for (const item of this.list.children) item.tabIndex = item === element ? 0 : -1;
  }

  mark() {
    const name = this.model.get("selected");
    for (const [key, element] of this.elements) {
      element.setAttribute("aria-selected", String(key === name));
    }
  }

  choose(element) {
    if (!element) return;
    this.enter(element);
    this.model.set("selected", element.dataset.name);
    this.model.save_changes();
    this.mark();
  }

  press(event) {
    event.stopPropagation();
    const element = event.target.closest(".bb-cell");
    if (!element) return;
    const to = moved(event.key, [...this.list.children].indexOf(element), this.list);
    if (event.key === "Enter" || event.key === " ") this.choose(element);
    else if (to !== undefined) {
      this.enter(this.list.children[to]);
      this.list.children[to].focus();
    } else return;
    event.preventDefault();
  }

  close() {
    this.seen.disconnect();
    for (const [event, act] of Object.entries(this.follow)) this.model.off(event, act);
    this.root.remove();
  }
}

export default {
  render({ model, el }) {
    const grid = new Grid(model, el);
    return () => grid.close();
  },
};
