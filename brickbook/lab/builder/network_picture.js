// The picture of a model: a click on a box chooses it. Reads the traits svg and chosen.

class NetworkPicture {
  constructor(model, host) {
    this.model = model;
    this.root = document.createElement("div");
    this.root.className = "bb-picture";
    this.root.tabIndex = 0; // what scrolls can be scrolled by keys
    this.root.setAttribute("role", "group");
    this.root.addEventListener("click", ({ target }) => {
      const box = target.closest("[data-node]");
      if (box) model.send({ choose: Number(box.dataset.node) });
    });
    this.heard = { "change:svg": () => this.paint(), "change:chosen": () => this.mark() };
    for (const [event, act] of Object.entries(this.heard)) model.on(event, act);
    host.append(this.root);
    this.paint();
  }

  // Parsed as a document of its own: what is no picture stays out.
  paint() {
    const text = this.model.get("svg");
    const parts = [];
    if (text) {
      const { documentElement } = new DOMParser().parseFromString(text, "image/svg+xml");
      if (documentElement.localName === "svg") parts.push(document.importNode(documentElement, true));
    }
    this.root.replaceChildren(...parts);
    this.root.setAttribute("aria-label", parts[0]?.getAttribute("aria-label") ?? "");
    this.mark();
  }

  mark() {
    const chosen = new Set(this.model.get("chosen").map(String));
    for (const box of this.root.querySelectorAll("[data-node]")) {
      box.classList.toggle("bb-chosen", chosen.has(box.dataset.node));
    }
  }

  close() {
    for (const [event, act] of Object.entries(this.heard)) this.model.off(event, act);
    this.root.remove();
    for (const key of Object.keys(this)) this[key] = null;
  }
}

const networkPicture = {
  render({ model, el }) {
    const picture = new NetworkPicture(model, el);
    return () => picture.close();
  },
};

export default (globalThis[Symbol.for("brickbook network picture CHECKSUM")] ??= networkPicture);
