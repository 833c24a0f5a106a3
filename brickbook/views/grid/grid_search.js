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

function wordTest(word, text) {
  if (!GLOB.test(word)) return (cell) => text(cell).includes(word.toLowerCase());
  try {
    const pattern = glob(word);
    return (cell) => pattern.test(cell.name);
  } catch { // such as [z-a]
    return (cell) => cell.name.toLowerCase().includes(word.toLowerCase());
  }
}

const nameOf = (cell) => cell.name.toLowerCase();

// A test for a query, or null if it is no regular expression. Words, all of which must be there,
// are searched for in the names of cells; only where no name has them in all that is known of a
// parameter. Globs and `re:` speak of names.
export function matcher(query, cells = []) {
  const text = query.trim();
  if (text.startsWith("re:")) {
    try {
      const pattern = new RegExp(text.slice(3).trim(), "i");
      return (cell) => pattern.test(cell.name);
    } catch {
      return null;
    }
  }
  const words = text.split(/\s+/).filter(Boolean);
  const tester = (of) => {
    const tests = words.map((word) => wordTest(word, of));
    return (cell) => tests.every((test) => test(cell));
  };
  const byName = tester(nameOf);
  return cells.some(byName) ? byName : tester(described);
}

export function filtered(cell, filter) {
  if (filter === "changed") return cell.status !== "untouched";
  if (filter === "untouched") return cell.status === "untouched";
  if (filter === "none") return !cell.rule;
  if (filter.startsWith(RULE)) return cell.rule?.source === filter.slice(RULE.length);
  return true;
}
