// The cells of a payload, their order and their groups. Nothing here touches the page.

const ARRAYS = {
  u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array,
};

export const sum = (values) => values.reduce((total, value) => total + value, 0);
const statusOf = ({ status }) => status ?? "untouched";
const moments = (pair) => (pair ? { mean: pair[0], std: pair[1] } : null);

// The cells of a payload with their counts, and what they point at, filled in.
export function decode(meta, buffer) {
  const bytes = new Uint8Array(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength);
  const read = (place) => {
    if (!place) return [];
    const [code, start, length] = place;
    const Kind = ARRAYS[code];
    // A copy, because a typed array wants its start aligned.
    return new Kind(bytes.slice(start, start + length * Kind.BYTES_PER_ELEMENT).buffer);
  };
  const pick = (list, at) => (at === undefined ? null : meta[list][at]);
  // Without a status it is what it was before.
  const side = (found, label, { before, at }) => ({
    label, status: statusOf(found), law: pick("laws", found.law), curve: read(found.at.law),
    stats: moments(found.status ? found.after : before),
    counts: read(found.status ? found.at.after : at.before),
  });
  return (meta.cells ?? []).map((cell, depth) => {
    const sides = cell.variants?.map((one, at) => side(one, meta.variants[at], cell))
      ?? [side(cell, "", cell)];
    return {
      ...cell, depth, sides, status: statusOf(cell),
      rule: pick("rules", cell.rule), module: pick("modules", cell.module),
      reason: pick("reasons", cell.reason), before: moments(cell.before), after: sides[0].stats,
      counts: { before: read(cell.at.before), after: sides[0].counts },
    };
  });
}

// How many cells each rule has, by where it stands.
export function perRule(cells) {
  const counts = new Map();
  for (const { rule } of cells) counts.set(rule?.source, (counts.get(rule?.source) ?? 0) + 1);
  return counts;
}

// How far a std is from what its law says, or from before where there is none: 0 is not at all.
export function ratio(cell) {
  return Math.max(...cell.sides.map(({ stats, law }) => {
    const found = stats?.std;
    const wanted = law ? law.std : cell.before?.std;
    return found && wanted ? Math.abs(Math.log(found / wanted)) : found === wanted ? 0 : Infinity;
  }));
}

// The share of the values that lie in another bin than before: from 0 to 1.
export function change(cell) {
  const before = sum(cell.counts.before);
  return Math.max(...cell.sides.map(({ counts, status }) => {
    const after = sum(counts);
    if (status === "untouched") return 0;
    if (!before || !after || before !== after) return 1;
    const moved = counts.reduce((total, n, i) => total + Math.abs(n - cell.counts.before[i]), 0);
    return Math.max(moved / 2 / after, 1e-9); // it did change, even if no bin tells
  }));
}

const widest = (cell) => Math.max(...cell.sides.map(({ stats }) => stats?.std ?? -1));
const KEYS = { model: () => 0, size: (cell) => cell.count, std: widest, ratio, change };
export const SORTS = Object.keys(KEYS);

// From the most to the least, and in the order of the model where that says nothing.
export function sorted(cells, key) {
  const value = new Map(cells.map((cell) => [cell, (KEYS[key] ?? KEYS.model)(cell)]));
  const more = (a, b) => (value.get(a) === value.get(b) ? 0 : value.get(b) - value.get(a));
  return [...cells].sort((a, b) => more(a, b) || a.depth - b.depth);
}

const LEVELS = { first: 1, second: 2 };
export const GROUPS = ["none", ...Object.keys(LEVELS)];

// Cells by the module they belong to, in the order of the model; one group without a key if none.
export function grouped(cells, level) {
  if (!LEVELS[level]) return [{ key: null, cells }];
  const found = new Map();
  for (const cell of cells) {
    const key = cell.name.split(".").slice(0, -1).slice(0, LEVELS[level]).join(".");
    if (!found.has(key)) found.set(key, { key, cells: [], depth: cell.depth });
    const group = found.get(key);
    group.cells.push(cell);
    group.depth = Math.min(group.depth, cell.depth);
  }
  return [...found.values()].sort((a, b) => a.depth - b.depth);
}

// Parameters that are one constant, and are to stay it, have one line together.
export const CONSTANTS = "=";
const MANY = 4;

function isConstant({ before, sides }) {
  const same = (found) => found && found.std === 0 && found.mean === before.mean;
  return before?.std === 0 && sides.every(({ stats, law }) => same(stats) && (!law || same(law)));
}

// Groups with the constants taken out, if they are many; their group comes first.
export function withConstants(groups) {
  const found = groups.flatMap(({ cells }) => cells.filter(isConstant));
  if (found.length < MANY) return groups;
  const rest = groups.map((group) => ({
    ...group, cells: group.cells.filter((cell) => !isConstant(cell)),
  }));
  return [{ key: CONSTANTS, cells: found, constants: tally(found) }, ...rest];
}

// How many parameters are which constant, the most frequent first.
function tally(cells) {
  const counts = new Map();
  for (const { before } of cells) counts.set(before.mean, (counts.get(before.mean) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
}

// Where the values of a cell lie. A constant is a point: its bin is as wide as anything.
export function span(cell) {
  const stats = cell.sides[0].stats ?? cell.before;
  if (cell.bins === 1 && stats?.std === 0) return [stats.mean, stats.mean];
  return cell.bins ? [cell.low, cell.low + cell.bins * cell.width] : null;
}

// The axis that all cells fit on; null if there is nothing to show.
export function frameOf(cells) {
  const spans = cells.map(span).filter(Boolean);
  if (!spans.length) return null;
  const low = Math.min(...spans.map(([start]) => start));
  const high = Math.max(...spans.map(([, end]) => end));
  const room = low === high ? Math.abs(low) || 1 : 0;
  return { low: low - room, high: high + room };
}
