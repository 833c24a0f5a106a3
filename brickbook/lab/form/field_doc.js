// What an argument means, under the form, while its field has the focus: found by the field's label.
// Reads the traits docs and selector, which says what is around both; writes nothing.

class FieldDoc {
  constructor(model, host) {
    this.root = document.createElement("div");
    this.root.className = "bb-field-doc";
    this.root.setAttribute("role", "note");
    this.model = model;
    this.hear = ({ target }) => this.show(target);
    document.addEventListener("focusin", this.hear);
    // Another form has come: what was said of a field of the old one goes.
    this.clear = () => { this.root.textContent = ""; };
    model.on("change:docs", this.clear);
    host.append(this.root);
  }

  show(target) {
    const around = this.root.closest(this.model.get("selector"));
    if (!around?.contains(target) || !target.labels) return;
    const name = target.labels[0]?.textContent.trim() ?? "";
    const words = this.model.get("docs")[name];
    this.root.textContent = words ? `${name}: ${words}` : "";
  }

  close() {
    document.removeEventListener("focusin", this.hear);
    this.model.off("change:docs", this.clear);
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
