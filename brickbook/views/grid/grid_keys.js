// A notebook has plain keys of its own, and takes them from the menus and buttons of an output too:
// "x" in a list of names would cut the cell. Whatever is held with Ctrl or Shift stays the notebook's.

const OURS = "data-lm-suppress-shortcuts";

export function isPlain({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  return !(ctrlKey || metaKey || altKey || (shiftKey && key.length > 1));
}

// Keep the keys of the output that a root stands in, also those of the controls beside it.
export function keepKeys(root) {
  const keep = (event) => {
    const { target } = event;
    // The notebook looks at what has the focus first, and would not come to see what is around it.
    if (root.closest(".jp-OutputArea-output")?.contains(target)) target.toggleAttribute(OURS, isPlain(event));
  };
  // It listens at the document, in the same phase: before that comes the window.
  window.addEventListener("keydown", keep, true);
  return () => window.removeEventListener("keydown", keep, true);
}
