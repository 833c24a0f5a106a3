// One cell of the grid: what is known of a parameter, and its pictures.

import { against, ruleText, states, summary, verdict } from "./grid_words.js";
import { sum } from "./grid_cells.js";
import { node, place, shape } from "./grid_nodes.js";
import { HEIGHT, WIDTH, draw } from "./grid_picture.js";

const LETTERS = 28; // of a name, that have room in a cell

// The sign of a rule: its colour, and the badge for those who do not see it.
const hue = (rule) => `bb-c${rule.colour}${rule.striped ? " bb-striped" : ""}`;
export const chip = (rule) => node("span", { class: `bb-chip ${hue(rule)}` }, rule.badge);

const template = (() => {
  let made = null;
  return () => {
    made ??= node(
      "div", { class: "bb-cell bb-item", role: "option", tabindex: "-1" },
      node("div", { class: "bb-top" },
        node("span", { class: "bb-name" })),
      node("div", { class: "bb-what" }, node("span", { class: "bb-shape" })),
      node("div", { class: "bb-rule" }),
      node("div", { class: "bb-pictures" }),
    );
    return made.cloneNode(true); // many times faster than a new one
  };
})();

function figure() {
  const picture = shape("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
  });
  const words = node("div", { class: "bb-axis", "aria-hidden": "true" },
    node("span"), node("span"), node("span"));
  const caption = node("div", { class: "bb-rule bb-caption" });
  return node("div", { class: "bb-picture" }, caption, picture, words);
}

export function build(name) {
  const cell = template();
  cell.dataset.name = name;
  cell.querySelector(".bb-top").firstChild.textContent = elided(name);
  return cell;
}

// A name in the letters that there is room for: what is left out, from the start, is what tells
// least. Parts with numbers stay, as those of blocks, and the last two.
export function elided(name, most = LETTERS) {
  const parts = name.split(".");
  const kept = parts.map((part, at) => at >= parts.length - 2 || /\d/.test(part));
  const text = () => parts.map((part, at) => (kept[at] ? part : "")).join(".").replace(/(^|\.)\.+/g, "…");
  for (let at = parts.length - 1; at >= 0; at -= 1) {
    if (kept[at]) continue;
    kept[at] = true;
    if (text().length > most) kept[at] = false;
  }
  return text();
}

const swatch = (kind, at) => node("i", { class: `bb-key ${kind} bb-v${at}` });

// What is found, and what is wrong with it; of several in one picture what is expected as well.
function lines(cell, at, overlaid, say) {
  const side = cell.sides[at];
  const words = verdict(cell, side, say);
  const found = against(cell, side, say);
  if (cell.note) found.push(cell.note);
  const text = cell.note && !side.stats ? cell.note : overlaid ? found[0] : found.join(say("comma"));
  const line = node("div", { class: "bb-std" }, text);
  if (overlaid) line.prepend(swatch("bb-key-line", at), side.label, say("colon"));
  if (!words || words === say("close")) return [line];
  return [line, node("div", { class: "bb-far" }, words)];
}

const badge = (kind, text) => node("span", { class: `bb-badge ${kind}` }, text);

function badges(cell, say) {
  const [state, ...more] = states(cell, say);
  const found = [badge(`bb-is-${cell.status}`, state)];
  return found.concat(more.map((text) => badge("bb-is-held", text)));
}

// Which sides each picture of a cell shows.
const parts = (cell, beside) =>
  (beside ? cell.sides.map((_, at) => [at]) : [cell.sides.map((_, at) => at)]);

// Write everything but the paths.
export function fill(element, cell, { say, beside }) {
  element.__data = cell;
  element.className = `bb-cell bb-item ${cell.rule ? `bb-ruled ${hue(cell.rule)}` : ""}`;
  element.__parts = parts(cell, beside);
  element.title = [
    cell.name, cell.rule && ruleText(cell.rule, say), cell.reason,
    cell.tied && say("tied_to", { name: cell.tied }),
  ].filter(Boolean).join("\n");
  element.setAttribute("aria-label", summary(cell, cell.sides, say));
  element.setAttribute("data-before-total", sum(cell.counts.before));
  element.setAttribute("data-after-total", sum(cell.counts.after));
  const [, what, rule, pictures] = element.children;
  what.replaceChildren(...(cell.rule ? [chip(cell.rule)] : []),
    node("span", { class: "bb-shape" }, cell.shape.join("×") || say("scalar")), ...badges(cell, say));
  const laws = new Set(cell.sides.map((side) => side.law?.text));
  rule.textContent = (laws.size === 1 && [...laws][0]) || (cell.reason ?? "");
  rule.hidden = laws.size > 1 || (element.__parts.length > 1 && !laws.has(undefined));
  place(pictures, element.__parts.map((_, at) => pictures.children[at] ?? figure()));
  element.__parts.forEach((sides, at) => describe(pictures.children[at], cell, sides, say));
}

// Write the words of one picture.
function describe(picture, cell, sides, say) {
  const [caption, svg, axis] = picture.children;
  const alone = sides.length === 1 && cell.sides.length > 1;
  caption.hidden = !alone;
  if (alone) {
    const { label, law } = cell.sides[sides[0]];
    caption.replaceChildren(swatch("bb-key-after", sides[0]),
      law ? label + say("colon") + law.text : label);
  }
  svg.setAttribute("aria-label", summary(cell, sides.map((at) => cell.sides[at]), say));
  // What no variant touches is said once.
  const told = cell.status === "untouched" ? sides.slice(0, 1) : sides;
  picture.replaceChildren(caption, svg, axis,
    ...told.flatMap((at) => lines(cell, at, told.length > 1, say)));
}

// Draw the paths.
export function paint(element, options) {
  const { children } = element.lastChild;
  element.__parts.forEach((which, at) =>
    draw(children[at].children[1], children[at].children[2], element.__data, which, options));
}
