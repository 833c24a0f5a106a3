// Elements. Names come from configs and checkpoints, so text only ever becomes text nodes.

const SVG = "http://www.w3.org/2000/svg";

export function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Put children in their place; where they are there already, nothing moves, nor scrolls.
export function place(parent, children) {
  const now = parent.children;
  if (now.length !== children.length || children.some((child, at) => now[at] !== child)) {
    parent.replaceChildren(...children);
  }
}
