// What of the grid needs no page. test_grid_bundle.py says where the module is.
import assert from "node:assert/strict";
import { test } from "node:test";

const grid = await import(process.env.GRID_MODULE);
const texts = JSON.parse(process.env.GRID_TEXTS);
const say = grid.speaker(texts);

const side = (more = {}) => ({
  label: "", status: "changed", stats: { mean: 0, std: 1 }, law: null, counts: [1, 2, 1], curve: [], ...more,
});
const cell = (more = {}) => ({
  name: "a.weight", depth: 0, shape: [2, 2], count: 4, status: "changed", low: -1, width: 0.5, bins: 3,
  before: { mean: 0, std: 2 }, counts: { before: [2, 1, 1], after: [1, 2, 1] }, rule: null, sides: [side()],
  ...more,
});
const rule = { source: "init_cfg[0]", name: "Normal", badge: "1", colour: 0 };
const law = { text: "Normal(0, 1)", mean: 0, std: 1 };

test("numbers are short", () => {
  const told = [null, 0, 1, -0.25, 0.058935, 12345.678, 1e5, 2e-7].map(grid.number);
  assert.deepEqual(told, ["–", "0", "1", "-0.25", "0.05894", "12350", "1.00e+5", "2.00e-7"]);
});

test("texts take numbers, and one thing is one thing", () => {
  assert.equal(say("parameters", { n: 1 }), "1 parameter");
  assert.equal(say("parameters", { n: 12000 }), "12,000 parameters");
  assert.equal(say("by", { rule: "{n}", source: "$&" }), "{n} by $&");
  assert.equal(say("no such key"), "no such key");
});

test("a payload is decoded with what it points at", () => {
  const bytes = new Uint8Array([9, 1, 0, 2, 0, 0, 0, 128, 63]);
  const meta = {
    laws: [law], rules: [rule], modules: ["Linear"], reasons: ["why"], variants: [],
    cells: [{
      name: "w", shape: [2], count: 2, status: "changed", module: 0, rule: 0, law: 0, reason: 0,
      before: [0, 2], after: [0, 1],
      at: { before: ["u1", 1, 2], after: ["u2", 1, 2], law: ["f4", 5, 1] },
    }],
  };
  const [made] = grid.decode(meta, new DataView(bytes.buffer));
  assert.deepEqual([made.rule, made.module, made.reason, made.depth], [rule, "Linear", "why", 0]);
  assert.deepEqual([...made.counts.before], [1, 0]);
  assert.deepEqual([...made.counts.after], [1, 2]);
  assert.deepEqual([...made.sides[0].curve], [1]);
  assert.deepEqual([made.before, made.after], [{ mean: 0, std: 2 }, { mean: 0, std: 1 }]);
});

test("variants are sides with labels", () => {
  const at = { after: ["u1", 0, 1] };
  const meta = {
    laws: [law], variants: ["A", "B", "C"],
    cells: [{
      name: "w", shape: [], count: 1, status: "changed", before: [1, 2], at: { before: ["u1", 1, 1] },
      variants: [{ after: [0, 1], at, law: 0, status: "changed" }, { at: {} }, { at: {}, status: "removed" }],
    }],
  };
  const [{ sides }] = grid.decode(meta, new Uint8Array([7, 8]));
  assert.deepEqual(sides.map(({ label, status }) => [label, status]),
    [["A", "changed"], ["B", "untouched"], ["C", "removed"]]);
  assert.deepEqual(sides.map((one) => one.law), [law, null, null]);
  assert.deepEqual(sides.map(({ stats }) => stats), [{ mean: 0, std: 1 }, { mean: 1, std: 2 }, null]);
  assert.deepEqual(sides.map(({ counts }) => [...counts]), [[7], [8], []]);
});

test("without a status it is what it was before", () => {
  const at = { before: ["u1", 0, 2], law: ["u1", 2, 1] };
  const meta = { laws: [law], cells: [{ name: "w", before: [0, 2], law: 0, at }] };
  const [made] = grid.decode(meta, new Uint8Array([3, 4, 5]));
  assert.equal(made.status, "untouched");
  assert.deepEqual([made.after, [...made.counts.after]], [{ mean: 0, std: 2 }, [3, 4]]);
  assert.deepEqual([made.sides[0].law, [...made.sides[0].curve]], [law, [5]]);
});

test("sorting: the most first, then the order of the model", () => {
  const cells = [
    cell({ name: "same", depth: 0, count: 5, sides: [side({ status: "untouched", stats: { mean: 0, std: 2 } })] }),
    cell({ name: "far", depth: 1, count: 9, sides: [side({ law, stats: { mean: 0, std: 3 }, counts: [0, 0, 4] })] }),
    cell({ name: "near", depth: 2, count: 5, sides: [side({ law, stats: { mean: 0, std: 1.1 } })] }),
  ];
  const names = (key) => grid.sorted(cells, key).map(({ name }) => name).join(" ");
  assert.equal(names("model"), "same far near");
  assert.equal(names("size"), "far same near");
  assert.equal(names("std"), "far same near");
  assert.equal(names("ratio"), "far near same");
  assert.equal(names("change"), "far near same");
  assert.equal(names("no such order"), "same far near");
});

test("change is the share of the values in other bins", () => {
  assert.equal(grid.change(cell()), 0.25);
  assert.equal(grid.change(cell({ sides: [side({ status: "untouched" })] })), 0);
  assert.equal(grid.change(cell({ sides: [side({ counts: [2, 1, 1] })] })), 1e-9);
  assert.equal(grid.change(cell({ counts: { before: [] } })), 1);
});

test("groups follow the model, whatever the order within", () => {
  const cells = ["b.0.w", "a.0.w", "b.1.w", "w"].map((name, depth) => cell({ name, depth }));
  const told = (level) => grid.grouped([...cells].reverse(), level)
    .map((group) => `${group.key}: ${group.cells.map(({ name }) => name).join(" ")}`);
  assert.deepEqual(told("first"), ["b: b.1.w b.0.w", "a: a.0.w", ": w"]);
  assert.deepEqual(told("second"), ["b.0: b.0.w", "a.0: a.0.w", "b.1: b.1.w", ": w"]);
  assert.deepEqual(told("none"), ["null: w b.1.w a.0.w b.0.w"]);
});

test("a group says how many and whether they changed", () => {
  const group = { key: "", cells: [cell(), cell({ status: "untouched", count: 1 })] };
  assert.equal(grid.groupText(group, say), "(the model itself): 2 parameters, 5 values, 1 changed");
  const still = { key: "a", cells: [cell({ status: "untouched", count: 1 })] };
  assert.equal(grid.groupText(still, say), "a: 1 parameter, 1 value, none changed");
});

const NAMES = ["layer1.0.weight", "layer10.bias", "head.weight", "<img src=x>", "a[0].b"];
for (const [query, wanted] of [
  ["", [0, 1, 2, 3, 4]],
  ["WEIGHT layer", [0]],
  ["layer1.*", [0]],
  ["layer?.*", [0]],
  ["*.weight", [0, 2]],
  ["layer1*t", [0]],
  ["layer1* bias", [1]],
  ["*[wt]eight", [0, 2]],
  ["*[!t]", [1, 3, 4]],
  ["a[0].b", []],
  ["a[[]0].b", [4]],
  ["[z-a]", []],
  ["re:^layer\\d\\.", [0]],
  ["re: T$", [0, 2]],
  ["<img", [3]],
]) {
  test(`search ${query}`, () => {
    const matches = grid.matcher(query);
    assert.deepEqual(NAMES.flatMap((name, at) => (matches(cell({ name })) ? [at] : [])), wanted);
  });
}

test("words are searched for in laws and rules too", () => {
  const one = cell({ rule, module: "Linear", sides: [side({ law })] });
  for (const query of ["normal", "linear", "init_cfg[0]".slice(0, 8), "a.weight normal("]) {
    assert.ok(grid.matcher(query)(one), query);
  }
  assert.ok(!grid.matcher("re:Normal")(one));
});

test("what is no regular expression is said to be none", () => {
  assert.equal(grid.matcher("re:("), null);
});

test("filters", () => {
  const cells = [cell({ rule }), cell({ status: "untouched" }), cell({ status: "added" })];
  const kept = (filter) => cells.map((one) => grid.filtered(one, filter));
  assert.deepEqual(kept("all"), [true, true, true]);
  assert.deepEqual(kept("changed"), [true, false, true]);
  assert.deepEqual(kept("untouched"), [false, true, false]);
  assert.deepEqual(kept("none"), [false, true, true]);
  assert.deepEqual(kept(grid.ruleFilter("init_cfg[0]")), [true, false, false]);
});

test("whether a std is what its law says depends on how many there are", () => {
  const one = side({ law, stats: { mean: 0, std: 1.2 } });
  assert.equal(grid.fit(one, 32).close, true);
  assert.equal(grid.fit(one, 32000).close, false);
  assert.equal(grid.fit(one, 1), null);
  assert.equal(grid.fit(side(), 100), null);
  const point = { text: "Constant(0.1)", mean: 0.1, std: 0, atoms: [[0.1, 1]] };
  assert.equal(grid.fit(side({ law: point, stats: { mean: 0.10009765625, std: 0 } }), 9).close, true);
  assert.equal(grid.fit(side({ law: point, stats: { mean: 0.2, std: 0 } }), 9).close, false);
});

test("a summary says it all", () => {
  const one = cell({ count: 4000, rule, frozen: true, tied: "b", note: "1 NaN", sides: [side({ law, stats: { mean: 0, std: 2.5 } })] });
  assert.equal(grid.summary(one, one.sides, say),
    "a.weight, 4,000 values, changed, frozen, tied, Normal by init_cfg[0], Normal(0, 1), std 2.5, " +
    "expected 1, was 2, 2.5 × what is expected, 1 NaN");
  const two = cell({ next: true, count: 4000, sides: [side({ label: "A", law }), side({ label: "B", status: "untouched" })] });
  assert.equal(grid.summary(two, two.sides, say),
    "a.weight, 4,000 values, changed, A: Normal(0, 1), std 1, next 1, was 2, B: std 1");
});

test("steps, a law and pins on an axis of one's own", () => {
  const one = cell({ sides: [side({ law: { ...law, atoms: [[-0.8, 0.5]] }, curve: [1, 2, 1] })] });
  const drawn = Object.fromEntries(grid.paths(one, [0]));
  assert.deepEqual(Object.keys(drawn), ["bb-after", "bb-before", "bb-law"]);
  assert.equal(drawn["bb-after"], "M0 64V33.5H66.67V3H133.33V33.5H200V64");
  assert.equal(drawn["bb-law"], "M33.33 33.5L100 3L166.67 33.5M33.33 64V3M30.33 3h6");
});

test("overlaid variants are lines over what was there", () => {
  const one = cell({ sides: [side(), side({ counts: [0, 4, 0] })] });
  assert.deepEqual(grid.paths(one, [0, 1]).map(([kind]) => kind), ["bb-base", "bb-line bb-v0", "bb-line bb-v1"]);
  assert.deepEqual(grid.paths(one, [1]).map(([kind]) => kind), ["bb-after bb-v1", "bb-before"]);
});

test("one axis for all", () => {
  const constant = cell({ bins: 1, low: 3, width: 1, counts: { before: [4] }, sides: [side({ stats: { mean: 3, std: 0 }, counts: [4], status: "untouched" })] });
  assert.deepEqual(grid.frameOf([cell(), constant]), { low: -1, high: 3 });
  assert.deepEqual(grid.frameOf([constant]), { low: 0, high: 6 });
  assert.equal(grid.frameOf([cell({ bins: 0, sides: [side({ stats: null })] })]), null);
  const [[, d]] = grid.paths(cell({ counts: { before: [] } }), [0], { frame: { low: -1, high: 3 } });
  assert.equal(d, "M0 64V33.5H25V3H50V33.5H75V64");
  const [[, point]] = grid.paths(constant, [0], { frame: { low: 0, high: 6 } });
  assert.equal(point, "M98.44 64V3H101.56V64");
});

test("a spike beside a law is cut, unless counts are logarithmic", () => {
  const one = cell({ counts: { before: [1, 1, 1] }, sides: [side({ counts: [0, 100, 0] })] });
  assert.deepEqual([grid.scale(one, false).top, grid.scale(one, true).top], [4, 100]);
  assert.equal(grid.scale(one, false).height(100), 3);
});

test("the line of a law is never cut", () => {
  const law = side({ counts: [0, 8, 0], curve: [2, 90, 2], law: { atoms: [] } });
  const one = cell({ counts: { before: [3, 1, 3] }, sides: [law] });
  for (const log of [false, true]) {
    const { top, height } = grid.scale(one, log);
    assert.equal(top, 90);
    assert.equal(height(90), 3);
    assert.ok(height(45) > 3);
  }
});

test("columns of the table can be sorted, and what is missing comes last", () => {
  const cells = [cell({ name: "w10" }), cell({ name: "w9", before: null }), cell({ name: "w1", before: { mean: 5, std: 0 } })];
  const columns = grid.columns([], say);
  const at = (title) => columns.find((column) => column.title === title);
  const names = (title, down) => grid.ordered(cells, at(title), down).map(({ name }) => name).join(" ");
  assert.equal(names("parameter", false), "w1 w9 w10");
  assert.equal(names("mean before", true), "w1 w10 w9");
  assert.equal(names("mean before", false), "w10 w1 w9");
  assert.equal(grid.ordered(cells, undefined, true), cells);
  assert.deepEqual(grid.columns(["A", "B"], say).slice(-4).map(({ title }) => title),
    ["law B", "mean B", "std B", "expected std B"]);
});

test("where keys lead", () => {
  const box = (left, top) => ({ getBoundingClientRect: () => ({ left, top, bottom: top + 10 }) });
  // A heading, two rows of two, a heading, one.
  const items = [box(0, 0), box(0, 20), box(50, 20), box(0, 40), box(50, 40), box(0, 60), box(0, 80)];
  const path = (at, ...keys) => keys.reduce((now, key) => grid.moved(key, now, items), at);
  assert.equal(path(0, "ArrowDown", "ArrowRight", "ArrowDown"), 4);
  assert.equal(path(4, "ArrowDown", "ArrowDown", "ArrowDown"), 6);
  assert.equal(path(6, "ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp"), 0);
  assert.deepEqual([path(3, "Home"), path(3, "End"), path(0, "ArrowLeft"), path(6, "ArrowRight")], [0, 6, 0, 6]);
  assert.equal(grid.moved("a", 0, items), undefined);
});

test("plain keys are those that a notebook would take for itself", () => {
  const plain = ["x", "ArrowDown", "Enter"].map((key) => grid.isPlain({ key }));
  assert.deepEqual(plain, [true, true, true]);
  assert.equal(grid.isPlain({ key: "X", shiftKey: true }), true);
  assert.equal(grid.isPlain({ key: "Enter", shiftKey: true }), false);
  assert.deepEqual(["ctrlKey", "metaKey", "altKey"].map((held) => grid.isPlain({ key: "s", [held]: true })),
    [false, false, false]);
});

test("names are shortened where they tell least", () => {
  const names = [
    "conv1.weight", "layer4.2.downsample.1.weight", "model.encoder.layers.11.self_attn.out_proj.weight",
    "transformer.encoder.layers.0.norm1.bias", "a.b", "weight",
  ].map((name) => grid.elided(name));
  assert.deepEqual(names, [
    "conv1.weight", "layer4.2.downsample.1.weight", "…layers.11…out_proj.weight", "…encoder.layers.0.norm1.bias", "a.b", "weight",
  ]);
});

const constant = (name, mean, more = {}) => cell({
  name, before: { mean, std: 0 }, sides: [side({ stats: { mean, std: 0 }, status: "untouched" })], ...more,
});

test("many parameters that are one constant, and stay it, are one group", () => {
  const drawn = cell({ name: "w" });
  const few = ["a", "b", "c"].map((name) => constant(name, 0));
  const groups = [{ key: null, cells: [drawn, ...few] }];
  assert.equal(grid.withConstants(groups), groups);
  const others = [constant("d", 1), constant("e", 0), constant("f", 0.5)];
  const becomes = constant("g", 1, { sides: [side({ stats: { mean: 0, std: 0 } })] });
  const planned = constant("h", 1, {
    sides: [side({ stats: { mean: 1, std: 0 }, law: { text: "Constant(0)", mean: 0, std: 0 } })],
  });
  const all = [drawn, ...few, ...others, becomes, planned];
  const [first, rest] = grid.withConstants([{ key: null, cells: all }]);
  assert.deepEqual(first.cells.map(({ name }) => name), ["a", "b", "c", "d", "e", "f"]);
  assert.deepEqual(rest.cells.map(({ name }) => name), ["w", "g", "h"]);
  assert.equal(grid.groupText(first, say), "6 parameters are one constant: 4 × 0, 1 × 0.5, 1 × 1");
});

test("a search is of names first, and of all else where no name has it", () => {
  const cells = [cell({ name: "norm.weight" }), cell({ name: "fc.weight", rule: { ...rule, name: "Normal" } })];
  const found = (query) => cells.filter(grid.matcher(query, cells)).map(({ name }) => name);
  assert.deepEqual(found("norm"), ["norm.weight"]);
  assert.deepEqual(found("normal"), ["fc.weight"]);
  assert.deepEqual(found("weight norm"), ["norm.weight"]);
});
