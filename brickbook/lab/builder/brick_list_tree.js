// The rows as a tree, and where keys and drops lead in it. Nothing here touches the page.

const same = (left, right) => JSON.stringify(left) === JSON.stringify(right);

// What a key does, written with its modifiers; edits go to the kernel by their names.
export const EDITS = {
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

export function keyName(event) {
  const held = [
    [event.ctrlKey || event.metaKey, "Ctrl"],
    [event.altKey, "Alt"],
    [event.shiftKey, "Shift"],
  ];
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return [...held.filter(([is]) => is).map(([, name]) => name), key].join("+");
}

// The row beside one in its chain: equal paths but for the last number; -1 if there is none.
export function neighbour(rows, at, by) {
  const path = rows[at]?.path ?? [];
  const wanted = [...path.slice(0, -1), path[path.length - 1] + by];
  return rows.findIndex((row) => row.brick && same(row.path, wanted));
}

export function parentOf(rows, at) {
  for (let above = at - 1; above >= 0; above -= 1) if (rows[above].level < rows[at].level) return above;
  return -1;
}

// Into a row or out of it: fold it, or go to another one.
function sideways(rows, at, right) {
  const row = rows[at];
  if (!row) return null;
  const inside = rows[at + 1]?.level > row.level;
  if (right && row.open === false) return { fold: at };
  if (right) return inside ? { choose: at + 1 } : null;
  if (row.open && inside) return { fold: at };
  const parent = parentOf(rows, at);
  return parent < 0 ? null : { choose: parent };
}

const STEPS = {
  ArrowUp: (rows, at) => ({ choose: at - 1 }),
  ArrowDown: (rows, at) => ({ choose: at + 1 }),
  Home: () => ({ choose: 0 }),
  End: (rows) => ({ choose: rows.length - 1 }),
  ArrowRight: (rows, at) => sideways(rows, at, true),
  ArrowLeft: (rows, at) => sideways(rows, at, false),
  "Shift+ArrowUp": (rows, at) => ({ extend: neighbour(rows, at, -1) }),
  "Shift+ArrowDown": (rows, at) => ({ extend: neighbour(rows, at, 1) }),
};

// What a key means: one act and its row; null if it leads nowhere, undefined if it is not ours.
export function step(key, rows, at) {
  return STEPS[key]?.(rows, at);
}

// Where a brick would go that is dropped on a row; `part` is how far down, from 0 to 1.
export function dropPlace(row, part) {
  if (!row.brick) return "inside";
  if (row.open !== null && part > 0.3 && part < 0.7) return "inside";
  return part < 0.5 ? "before" : "after";
}

// Which rows say something else than before.
export function changed(rows, before) {
  return rows.flatMap((row, at) => (same(row, before[at]) ? [] : [at]));
}
