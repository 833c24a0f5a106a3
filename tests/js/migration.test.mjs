// What the panel of a migration computes without a page.

import assert from "node:assert/strict";
import test from "node:test";

const { isShown, moved } = await import(process.env.MIGRATION_MODULE);

test("which notes are shown", () => {
  const shown = (choice) => ["by_hand", "training", "cosmetic"].filter((severity) => isShown({ severity }, choice));
  assert.deepEqual(shown("all"), ["by_hand", "training", "cosmetic"]);
  assert.deepEqual(shown("serious"), ["by_hand", "training"]);
  assert.deepEqual(shown("by_hand"), ["by_hand"]);
});

test("where a key goes to", () => {
  const places = (key) => [0, 3, 19].map((at) => moved(key, at, 20));
  assert.deepEqual(places("ArrowDown"), [1, 4, 19]);
  assert.deepEqual(places("ArrowUp"), [0, 2, 18]);
  assert.deepEqual(places("Home"), [0, 0, 0]);
  assert.deepEqual(places("End"), [19, 19, 19]);
  assert.deepEqual(places("PageDown"), [8, 11, 19]);
  assert.deepEqual(places("PageUp"), [0, 0, 11]);
  assert.equal(moved("Tab", 0, 20), undefined);
  assert.equal(moved("End", 0, 0), undefined);
});
