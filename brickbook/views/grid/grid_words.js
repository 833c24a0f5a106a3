// Numbers and sentences: what the grid says of a parameter. Nothing here touches the page.

const MOST = 5; // values of constants that are listed
const SLACK = 0.05; // a std this far from its law's, as a logarithm, is what the law says

export const whole = (value) => value.toLocaleString("en-US");

export function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size && (size >= 1e5 || size < 1e-4)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

// Texts by key, with {names} to be filled in; n chooses among the forms of a text that has several.
export function speaker(texts = {}, language = "en") {
  const plural = new Intl.PluralRules(language);
  return (key, values = {}) => {
    const found = texts[key] ?? key;
    const text = typeof found === "string" ? found : found[plural.select(values.n)] ?? found.other;
    return text.replace(/\{(\w+)\}/g, (_, name) =>
      (Number.isInteger(values[name]) ? whole(values[name]) : String(values[name])));
  };
}

export const ruleText = (rule, say) =>
  (rule.name ? say("by", { rule: rule.name, source: rule.source }) : rule.source);

// A parameter may be untouched because what was written is what was there.
export function states(cell, say) {
  const found = [say(cell.same ? "same" : cell.status)];
  if (cell.frozen) found.push(say("frozen"));
  if (cell.tied) found.push(say("tied"));
  return found;
}

// How a std fits its law: whether it is as expected, and how many times what is expected.
// A sample of n has a std of its own that varies by about 1 / √(2n).
export function fit(side, count) {
  const { law, stats } = side;
  if (!law || !stats || count < 2) return null;
  if (law.std === 0) {
    return { close: Math.abs(stats.mean - law.mean) <= 0.01 * Math.abs(law.mean), times: null };
  }
  const times = stats.std / law.std;
  const slack = Math.max(SLACK, 4 / Math.sqrt(2 * count));
  return { close: Math.abs(Math.log(times)) <= slack, times };
}

// Of a point mass the mean says more than the std. "next" is a law that has not been drawn yet.
export function against(cell, side, say) {
  const key = side.law?.std === 0 ? "mean" : "std";
  const now = side.stats ?? cell.before;
  const found = [say(key, { x: number(now?.[key]) })];
  if (side.law) found.push(say(cell.next ? "next" : "expected", { x: number(side.law[key]) }));
  else if (side.stats && cell.before && side.status === "changed") {
    found.push(say("was", { x: number(cell.before[key]) }));
  }
  return found;
}

// In words whether the law was met; "" where there is nothing to say.
export function verdict(cell, side, say) {
  const found = cell.next ? null : fit(side, cell.count);
  if (!found) return "";
  if (found.close) return say("close");
  return found.times ? say("far", { x: number(Number(found.times.toPrecision(2))) }) : say("off");
}

function sideSummary(cell, side, say) {
  const parts = [...(side.law ? [side.law.text] : []), ...against(cell, side, say)];
  if (side.law && cell.before && side.status === "changed") {
    parts.push(say("was", { x: number(cell.before[side.law.std === 0 ? "mean" : "std"]) }));
  }
  const words = verdict(cell, side, say);
  const text = (words ? [...parts, words] : parts).join(say("comma"));
  return side.label ? side.label + say("colon") + text : text;
}

// What a picture shows, for those who do not see it.
export function summary(cell, sides, say) {
  const parts = [cell.name, say("values", { n: cell.count }), ...states(cell, say)];
  if (cell.rule) parts.push(ruleText(cell.rule, say));
  parts.push(...sides.map((side) => sideSummary(cell, side, say)));
  return parts.concat(cell.note || []).join(say("comma"));
}

export function groupText(group, say) {
  if (group.constants) {
    const shown = group.constants.slice(0, MOST).map(([value, n]) => `${whole(n)} × ${number(value)}`);
    if (group.constants.length > MOST) shown.push("…");
    return say("constants", { n: group.cells.length, values: shown.join(say("comma")) });
  }
  const changed = group.cells.filter((cell) => cell.status !== "untouched").length;
  const values = group.cells.reduce((total, cell) => total + cell.count, 0);
  return say("group_summary", {
    name: group.key || say("root"),
    count: say("parameters", { n: group.cells.length }),
    values: say("values", { n: values }),
    changed: changed ? say("group_changed", { n: changed }) : say("group_unchanged"),
  });
}
