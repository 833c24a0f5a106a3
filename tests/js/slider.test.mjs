// What a slider of the law playground computes without a page.

import assert from "node:assert/strict";
import test from "node:test";

const { placeOf, textAt } = await import(process.env.SLIDER_MODULE);

test("the text of a place, and the place of a text", () => {
  assert.equal(textAt(9, true), "512");
  assert.equal(textAt(9.125, true), "558");
  assert.equal(placeOf("512", true), 9);
  assert.equal(placeOf("0", true), 0);
  assert.equal(textAt(0.1 + 0.2, false), "0.3");
  assert.equal(placeOf("0.3", false), 0.3);
});
