// What the panel is made of. Texts come from files of others, so text only ever becomes text nodes.

export function part(tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = `bb-${name}`;
  made.textContent = text;
  return made;
}

let controls = 0;

function labelled(words, control, first) {
  const [box, label] = [part("span", "menu"), part("label", "label", words)];
  label.htmlFor = control.id = `bb-migration-${controls += 1}`;
  box.append(...(first ? [control, " ", label] : [label, " ", control]));
  return box;
}

// A menu with its label; options are words by value.
export function menu(words, options, value, choose) {
  const select = document.createElement("select");
  for (const [key, word] of Object.entries(options)) {
    const option = part("option", "option", word);
    option.value = key;
    select.append(option);
  }
  select.value = value;
  select.addEventListener("change", () => choose(select.value));
  return labelled(words, select);
}

export function checkbox(words, checked, choose) {
  const input = document.createElement("input");
  input.type = "checkbox";
  input.checked = checked;
  input.addEventListener("change", () => choose(input.checked));
  return labelled(words, input, true);
}

export function button(label, press) {
  const made = part("button", "press", label);
  made.type = "button";
  made.addEventListener("click", press);
  return made;
}

export function picture(svg, words) {
  const image = document.createElement("img");
  image.className = "bb-curves";
  image.alt = words;
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  return image;
}

// Whether a note is one of those that are shown.
export function isShown({ severity }, choice) {
  if (choice === "all") return true;
  return choice === "by_hand" ? severity === "by_hand" : severity !== "cosmetic";
}

// The place that a key goes to among so many, undefined for a key that goes nowhere.
export function moved(key, at, length) {
  const steps = {
    ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: length - 1, PageDown: at + 8, PageUp: at - 8,
  };
  if (!(key in steps) || !length) return undefined;
  return Math.min(Math.max(steps[key], 0), length - 1);
}

// Scroll inside a box only: scrollIntoView would move the notebook too.
export function reveal(box, node) {
  const [outer, inner] = [box.getBoundingClientRect(), node.getBoundingClientRect()];
  if (inner.top < outer.top || inner.bottom > outer.bottom) {
    box.scrollTop += inner.top - outer.top - Math.max((outer.height - inner.height) / 3, 0);
  }
}
