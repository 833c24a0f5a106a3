// A text field that lists the types which the text may mean: arrows choose one, Enter adds it.
// Writes the trait text, reads options and words; sends {add: text, chosen: value}.

function make(tag, name, attributes = {}) {
  const made = document.createElement(tag);
  made.className = name;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

class SearchBox {
  constructor(model, host) {
    this.model = model;
    this.at = -1;
    const id = `bb-${Math.random().toString(36).slice(2)}`;
    const words = model.get("words");
    this.root = make("div", "bb-search", { "data-lm-suppress-shortcuts": "true" });
    this.list = make("ul", "bb-found", { role: "listbox", id, "aria-label": words.search });
    this.input = make("input", "bb-query", {
      "type": "text", "role": "combobox", "aria-expanded": "false", "aria-controls": id,
      "aria-autocomplete": "list", "aria-label": words.search, "placeholder": words.search_hint,
      "autocomplete": "off", "spellcheck": "false",
    });
    this.root.append(this.input, this.list);
    this.list.hidden = true;
    this.input.addEventListener("input", () => this.write());
    this.input.addEventListener("keydown", (event) => this.type(event));
    this.input.addEventListener("blur", () => this.show(false));
    this.input.addEventListener("focus", () => this.paint());
    // Before the field loses the focus, which closes the list.
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const at = [...this.list.children].indexOf(event.target.closest("li"));
      if (at >= 0) this.add(at);
    });
    this.heard = () => this.paint();
    model.on("change:options", this.heard);
    host.append(this.root);
  }

  get options() {
    return this.model.get("options");
  }

  write() {
    this.at = -1;
    this.model.set("text", this.input.value);
    this.model.save_changes();
  }

  paint() {
    this.at = Math.min(this.at, this.options.length - 1);
    this.list.replaceChildren(...this.options.map(({ name, kind }, at) => {
      const row = make("li", "bb-option", { role: "option", id: `${this.list.id}-${at}` });
      const label = make("span", "bb-kind-of");
      label.textContent = kind;
      row.append(name, " ", label);
      return row;
    }));
    this.mark();
    this.show(this.input.value.trim() !== "" && this.options.length > 0);
  }

  show(open) {
    const focused = this.input.getRootNode().activeElement === this.input;
    this.list.hidden = !(open && focused);
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
  }

  // What Enter would add: the first, until an arrow has chosen another.
  mark() {
    const current = Math.max(this.at, 0);
    [...this.list.children].forEach((row, at) => {
      row.setAttribute("aria-selected", String(at === current));
      if (at === current) row.scrollIntoView?.({ block: "nearest" });
    });
    if (this.at < 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", `${this.list.id}-${this.at}`);
  }

  type(event) {
    const { length } = this.options;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    event.stopPropagation();
    if (step && length) {
      const from = this.at < 0 && step > 0 ? 0 : Math.max(this.at, 0);
      this.at = (from + step + length) % length;
      this.mark();
    } else if (event.key === "Enter" && this.input.value.trim()) {
      this.add(this.at);
    } else if (event.key === "Escape" && !this.list.hidden) {
      this.show(false);
    } else {
      return;
    }
    event.preventDefault();
  }

  // What follows the first word are arguments: they stay with whatever was chosen.
  add(at) {
    this.model.send({ add: this.input.value, chosen: this.options[at]?.value ?? "" });
    this.input.value = "";
    this.write();
    this.show(false);
  }

  close() {
    this.model.off("change:options", this.heard);
    this.root.remove();
    for (const key of Object.keys(this)) this[key] = null;
  }
}

const searchWidget = {
  render({ model, el }) {
    const box = new SearchBox(model, el);
    return () => box.close();
  },
};

export default (globalThis[Symbol.for("brickbook search CHECKSUM")] ??= searchWidget);
