// What of the list of bricks needs no page. test_brick_list_script.py says where the module is.
import assert from "node:assert/strict";
import { test } from "node:test";

const bricks = await import(process.env.BRICKS_MODULE);

const row = (level, path, more = {}) => ({ level, path, brick: true, open: null, ...more });
// A brick, one that holds two, a branch with two places of which one holds a brick, a folded one.
const ROWS = [
  row(1, [0]),
  row(1, [1], { open: true }),
  row(2, [1, "body", 0]),
  row(2, [1, "body", 1]),
  row(1, [2], { open: true }),
  row(2, [2, "body"], { brick: false }),
  row(3, [2, "body", 0]),
  row(2, [2, "shortcut"], { brick: false }),
  row(1, [3], { open: false }),
];

const press = (key, held = "") =>
  ({ key, ctrlKey: held.includes("c"), metaKey: held.includes("m"), altKey: held.includes("a"), shiftKey: held.includes("s") });

test("keys have names with what is held", () => {
  const told = [press("ArrowUp"), press("Z", "cs"), press("d", "m"), press("ArrowLeft", "a"), press("Delete")];
  assert.deepEqual(told.map(bricks.keyName), ["ArrowUp", "Ctrl+Shift+z", "Ctrl+d", "Alt+ArrowLeft", "Delete"]);
});

for (const [key, at, wanted] of [
  ["ArrowDown", 0, { choose: 1 }],
  ["ArrowUp", 0, { choose: -1 }], // choosing keeps to the rows
  ["Home", 5, { choose: 0 }],
  ["End", 0, { choose: 8 }],
  ["ArrowRight", 0, null],
  ["ArrowRight", 1, { choose: 2 }],
  ["ArrowRight", 5, { choose: 6 }],
  ["ArrowRight", 7, null],
  ["ArrowRight", 8, { fold: 8 }],
  ["ArrowLeft", 8, null],
  ["ArrowLeft", 1, { fold: 1 }],
  ["ArrowLeft", 3, { choose: 1 }],
  ["ArrowLeft", 6, { choose: 5 }],
  ["ArrowLeft", 7, { choose: 4 }],
  ["ArrowLeft", 0, null],
  ["Shift+ArrowDown", 0, { extend: 1 }],
  ["Shift+ArrowDown", 1, { extend: 4 }],
  ["Shift+ArrowUp", 3, { extend: 2 }],
  ["Shift+ArrowUp", 2, { extend: -1 }],
  ["Shift+ArrowDown", 3, { extend: -1 }],
  ["a", 0, undefined],
]) {
  test(`${key} at row ${at}`, () => assert.deepEqual(bricks.step(key, ROWS, at), wanted));
}

test("an open brick without anything in it is left for its holder", () => {
  const rows = [row(1, [0], { open: true }), row(2, [0, "body", 0], { open: true }), row(1, [1])];
  assert.deepEqual(bricks.step("ArrowLeft", rows, 1), { choose: 0 });
  assert.equal(bricks.step("ArrowRight", rows, 1), null);
});

test("no rows, no way", () => {
  for (const key of ["ArrowRight", "ArrowLeft"]) assert.equal(bricks.step(key, [], -1), null);
  assert.deepEqual(bricks.step("Shift+ArrowUp", [], -1), { extend: -1 });
});

test("every edit has a key, and no key two meanings", () => {
  const edits = new Set(Object.values(bricks.EDITS));
  assert.deepEqual([...edits].sort(), ["delete", "down", "duplicate", "into", "out", "redo", "undo", "up"]);
  for (const key of Object.keys(bricks.EDITS)) assert.equal(bricks.step(key, ROWS, 0), undefined);
});

test("where a brick is dropped", () => {
  const told = (one) => [0.1, 0.4, 0.6, 0.9].map((part) => bricks.dropPlace(one, part));
  assert.deepEqual(told(ROWS[0]), ["before", "before", "after", "after"]);
  assert.deepEqual(told(ROWS[1]), ["before", "inside", "inside", "after"]);
  assert.deepEqual(told(ROWS[8]), ["before", "inside", "inside", "after"]);
  assert.deepEqual(told(ROWS[5]), ["inside", "inside", "inside", "inside"]);
});

test("only rows that say something else are written anew", () => {
  const now = ROWS.map((one, at) => (at === 2 ? { ...one, error: "no" } : { ...one }));
  assert.deepEqual(bricks.changed(now, ROWS), [2]);
  assert.deepEqual(bricks.changed(ROWS.slice(0, 2), []), [0, 1]);
  assert.deepEqual(bricks.changed([], ROWS), []);
});

test("plain keys pressed in the output stay in it, until the list is closed", () => {
  const listeners = new Set();
  globalThis.window = {
    addEventListener: (name, act, early) => { if (name === "keydown" && early) listeners.add(act); },
    removeEventListener: (name, act, early) => { if (early) listeners.delete(act); },
  };
  const kept = new Map();
  const control = (name) => ({ name, toggleAttribute: (attribute, on) => kept.set(`${name} ${attribute}`, on) });
  const [menu, other] = [control("menu"), control("other")];
  const output = { contains: (it) => it === menu };
  const letGo = bricks.keepKeys({ closest: (wanted) => (wanted === ".jp-OutputArea-output" ? output : null) });
  const type = (target, key, held) => listeners.forEach((act) => act({ target, ...press(key, held) }));
  const now = () => kept.get("menu data-lm-suppress-shortcuts");
  type(menu, "b");
  assert.equal(now(), true);
  type(menu, "Enter", "s");
  assert.equal(now(), false);
  type(other, "b");
  assert.equal(kept.size, 1);
  letGo();
  assert.equal(listeners.size, 0);
  delete globalThis.window;
});
