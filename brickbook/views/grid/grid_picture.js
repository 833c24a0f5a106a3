// One histogram as SVG paths: steps, fills, the line of a law.

import { number, whole } from "./grid_words.js";
import { shape } from "./grid_nodes.js";

export const WIDTH = 200;
export const HEIGHT = 64;
const CUT = 4; // a bin may be so many times higher than the lower of the two peaks
const POINT = 9; // on an axis of its own, a constant is a bar that leaves room on both sides

const peak = (values) => values.reduce((most, value) => Math.max(most, value), 0);
const short = (value) => value.toFixed(2).replace(/\.?0+$/, "");

// A constant is a point, whatever its bin is.
const isPoint = (cell) => cell.bins === 1 && (cell.sides[0].stats ?? cell.before)?.std === 0;

// From values to pixels, and the ends of every bin.
export function axis(cell, frame) {
  const own = { low: cell.low, high: cell.low + cell.bins * cell.width };
  if (isPoint(cell)) {
    if (!frame) return { own, at: () => WIDTH / 2, edge: (i) => (WIDTH * (i + (POINT - 1) / 2)) / POINT };
    const { mean } = cell.sides[0].stats ?? cell.before;
    const x = (WIDTH * (mean - frame.low)) / (frame.high - frame.low);
    return { own: frame, at: () => x, edge: (i) => x + (i - 0.5) * (WIDTH / 64) };
  }
  const { low, high } = frame ?? own;
  const at = (value) => (WIDTH * (value - low)) / (high - low);
  return { own: frame ?? own, at, edge: (i) => at(cell.low + i * cell.width) };
}

// How high a count is drawn. A spike beside a wide law would flatten it: the spike is cut, but no
// law ever is.
export function scale(cell, log) {
  const peaks = [cell.counts.before, ...cell.sides.map((side) => side.counts)]
    .map(peak).filter((value) => value > 0);
  const most = peaks.length ? Math.max(...peaks) : 1;
  const law = peak(cell.sides.map((side) => peak(side.curve ?? [])));
  const top = Math.max(law, log ? most : Math.min(most, CUT * Math.min(...peaks, most)));
  const share = log ? (v) => Math.log10(1 + v) / Math.log10(1 + top) : (v) => v / top;
  return { most, top, height: (v) => HEIGHT - Math.min(1, share(v)) * (HEIGHT - 3) };
}

// Steps over the bins, down to the base line at both ends.
export function steps(counts, edge, height) {
  let text = `M${short(edge(0))} ${HEIGHT}`;
  let before = null;
  for (let i = 0; i < counts.length; i += 1) {
    if (counts[i] !== before) {
      if (i) text += `H${short(edge(i))}`;
      text += `V${short(height(counts[i]))}`;
    }
    before = counts[i];
  }
  return `${text}H${short(edge(counts.length))}V${HEIGHT}`;
}

// The density of a law through the middle of every bin.
function curve(values, edge, height) {
  return Array.from(values, (value, i) =>
    `${i ? "L" : "M"}${short((edge(i) + edge(i + 1)) / 2)} ${short(height(value))}`).join("");
}

// Where a law has a share of its mass at one value: a pin in the middle of its bin.
function pins(cell, side, edge, height) {
  return (side.law?.atoms ?? []).map(([value, share]) => {
    const bin = Math.floor((value - cell.low) / cell.width);
    if (!cell.bins || bin < 0 || bin >= cell.bins) return "";
    const x = (edge(bin) + edge(bin + 1)) / 2;
    const y = share > 1 - 1e-9 ? 2 : height(share * cell.count);
    return `M${short(x)} ${HEIGHT}V${short(y)}M${short(x - 3)} ${short(y)}h6`;
  }).join("");
}

// The paths of a picture of some sides of a cell: its only one, all of several, or one of several.
export function paths(cell, which, { frame = null, log = false } = {}) {
  const { edge } = axis(cell, frame);
  const { height } = scale(cell, log);
  const found = [];
  const add = (kind, d) => { if (d) found.push([kind, d]); };
  const stepped = (kind, counts) => add(kind, counts.length && steps(counts, edge, height));
  if (which.length > 1) stepped("bb-base", cell.counts.before);
  for (const at of which) {
    const side = cell.sides[at];
    const hue = cell.sides.length > 1 ? ` bb-v${at}` : "";
    if (which.length > 1) stepped(`bb-line${hue}`, side.counts);
    else {
      stepped(side.status === "untouched" ? "bb-same" : `bb-after${hue}`, side.counts);
      stepped("bb-before", cell.counts.before);
      const line = side.curve.length ? curve(side.curve, edge, height) : "";
      add("bb-law", line + pins(cell, side, edge, height));
    }
  }
  return found;
}

// Draw into the svg and the three words below it.
export function draw(picture, words, cell, which, options) {
  const { own } = axis(cell, options.frame);
  const { most, top } = scale(cell, options.log);
  picture.replaceChildren(...paths(cell, which, options).map(([kind, d]) =>
    shape("path", { class: kind, d })));
  const [left, middle, right] = words.children;
  const point = isPoint(cell) && !options.frame;
  left.textContent = cell.bins && !point ? number(own.low) : "";
  right.textContent = cell.bins && !point ? number(own.high) : "";
  middle.textContent = top < most ? `↑ ${whole(most)}` : "";
  if (isPoint(cell)) {
    const { mean } = cell.sides[0].stats ?? cell.before;
    middle.textContent = options.say("all_are", { x: number(mean) });
  }
}
