// A row of tabs. Reads the traits names and labels (lists), hint and gone; reads and writes selected.

const STEPS = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

class TabBar {
  constructor(model, host) {
    this.model = model;
    this.host = host;
    this.id = `bb-tab-${Math.random().toString(36).slice(2)}`;
    this.root = document.createElement("div");
    this.root.className = "bb-tab-bar";
    this.root.setAttribute("role", "tablist");
    this.root.addEventListener("click", (event) => this.choose(event.target.closest("button")));
    this.root.addEventListener("keydown", (event) => this.step(event));
    this.build = () => this.make();
    this.follow = () => this.mark();
    this.leave = () => setTimeout(() => this.look(), 0); // first the views mark what is cut off
    model.on("change:names change:labels", this.build);
    model.on("change:selected", this.follow);
    model.on("comm_live_update", this.leave);
    host.append(this.root);
    this.make();
  }

  make() {
    this.root.setAttribute("aria-label", this.model.get("hint"));
    const labels = this.model.get("labels");
    this.root.replaceChildren(...this.model.get("names").map((name, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.id = `${this.id}-${at}`;
      button.dataset.name = name;
      button.setAttribute("role", "tab");
      button.textContent = labels[at];
      return button;
    }));
    this.mark();
  }

  mark() {
    for (const button of this.root.children) {
      const chosen = button.dataset.name === this.model.get("selected");
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
      if (chosen) this.name(button);
    }
  }

  // Give the box below its role and its name; it may come to the page after this.
  name(button) {
    requestAnimationFrame(() => {
      const content = this.host.closest(".bb-tabs")?.querySelector(".bb-tab-content");
      content?.setAttribute("role", "tabpanel");
      content?.setAttribute("aria-labelledby", button.id);
    });
  }

  // Without its kernel the panel is what it showed last, under one line that says so.
  look() {
    const panel = this.host?.closest(".bb-lab");
    if (!panel) return;
    const gone = Boolean(this.host.closest(".jupyter-widgets-disconnected"));
    panel.classList.toggle("bb-gone", gone);
    panel.querySelector(".bb-gone-line")?.remove();
    if (!gone) return;
    const line = document.createElement("div");
    line.className = "bb-gone-line";
    line.setAttribute("role", "status");
    line.textContent = this.model.get("gone");
    panel.prepend(line);
  }

  choose(button) {
    if (!button) return;
    this.model.set("selected", button.dataset.name);
    this.model.save_changes();
    button.focus();
  }

  step(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const buttons = [...this.root.children];
    const by = STEPS[event.key];
    const at = buttons.indexOf(event.target);
    if (by === undefined || at < 0) return;
    const to = Number.isFinite(by) ? (at + by + buttons.length) % buttons.length : by < 0 ? 0 : buttons.length - 1;
    event.preventDefault();
    event.stopPropagation();
    this.choose(buttons[to]);
  }

  close() {
    this.model.off("change:names change:labels", this.build);
    this.model.off("change:selected", this.follow);
    this.model.off("comm_live_update", this.leave);
    this.root.remove();
    for (const key of Object.keys(this)) this[key] = null;
  }
}

export default {
  render({ model, el }) {
    const bar = new TabBar(model, el);
    return () => bar.close();
  },
};
