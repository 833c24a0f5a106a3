// Which cells a search and a filter let through. Nothing here touches the page.

const GLOB = /[*?[\]]/;
const RULE = "rule:";
export const FILTERS = ["all", "changed", "untouched", "none"];
export const ruleFilter = (source) => RULE + source;

// A glob of a whole name: * for anything, dots too, ? for one letter, [ab] and [!ab] for a choice.
function glob(word) {
  let pattern = "";
  for (let at = 0; at < word.length; at += 1) {
    const letter = word[at];
    const end = letter === "[" ? word.indexOf("]", at + 2) : -1;
    if (end > 0) {
      const inside = word.slice(at + 1, end).replace(/^!/, "^").replace(/[\\[\]]/g, "\\$&");
      pattern += `[${inside}]`;
      at = end;
    } else if (letter === "*") pattern += ".*";
    else if (letter === "?") pattern += ".";
    else pattern += letter.replace(/[\\^$.|+(){}[\]]/g, "\\$&");
  }
  return new RegExp(`^${pattern}$`, "i");
}

const described = (cell) => [
  cell.name, cell.module, cell.rule?.name, cell.rule?.source, ...cell.sides.map((s) => s.law?.text),
].join(" ").toLowerCase();

function wordTest(word) {
  if (!GLOB.test(word)) return (cell) => described(cell).includes(word.toLowerCase());
  try {
    const pattern = glob(word);
    return (cell) => pattern.test(cell.name);
  } catch { // such as [z-a]
    return (cell) => cell.name.toLowerCase().includes(word.toLowerCase());
  }
}

// A test for a query, or null if it is no regular expression. Words are searched for in all that
// is known of a parameter, and all of them must be there; globs and `re:` speak of names.
export function matcher(query) {
  const text = query.trim();
  if (text.startsWith("re:")) {
    try {
      const pattern = new RegExp(text.slice(3).trim(), "i");
      return (cell) => pattern.test(cell.name);
    } catch {
      return null;
    }
  }
  const tests = text.split(/\s+/).filter(Boolean).map(wordTest);
  return (cell) => tests.every((test) => test(cell));
}

export function filtered(cell, filter) {
  if (filter === "changed") return cell.status !== "untouched";
  if (filter === "untouched") return cell.status === "untouched";
  if (filter === "none") return !cell.rule;
  if (filter.startsWith(RULE)) return cell.rule?.source === filter.slice(RULE.length);
  return true;
}
