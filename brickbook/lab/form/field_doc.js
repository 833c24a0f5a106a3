// The words of the field that has the focus, under its form: a field keeps them as its title.
// Reads the trait selector, which says what is around both; writes nothing.

class FieldDoc {
  constructor(model, host) {
    this.root = document.createElement("div");
    this.root.className = "bb-field-doc";
    this.root.setAttribute("role", "note");
    this.selector = model.get("selector");
    this.hear = ({ target }) => this.show(target);
    document.addEventListener("focusin", this.hear);
    host.append(this.root);
  }

  show(target) {
    const around = this.root.closest(this.selector);
    if (!around?.contains(target)) return;
    const named = target.closest("[title]");
    const words = target.title || (named && around.contains(named) ? named.title : "");
    if (target.matches("input, select, textarea")) this.root.textContent = words;
  }

  close() {
    document.removeEventListener("focusin", this.hear);
    this.root.remove();
    for (const key of Object.keys(this)) this[key] = null;
  }
}

const fieldDoc = {
  render({ model, el }) {
    const doc = new FieldDoc(model, el);
    return () => doc.close();
  },
};

export default (globalThis[Symbol.for("brickbook field doc CHECKSUM")] ??= fieldDoc);
