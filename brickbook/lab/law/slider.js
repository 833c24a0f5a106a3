// A number with its name: a slider, and a field for what the slider cannot reach. Reads the traits
// label, text, low, high, step, log and problem; writes text.

import { keepKeys } from "../../views/grid/grid_keys.js";

let sliders = 0;

// The value at a place of the slider, as text: on a logarithmic one whole numbers.
export function textAt(place, log) {
  return log ? String(Math.round(2 ** place)) : String(Number(place.toPrecision(12)));
}

export function placeOf(text, log) {
  const value = Number(text);
  return log ? Math.log2(Math.max(value, 1)) : value;
}

class SliderView {
  constructor(model, host) {
    this.model = model;
    this.root = document.createElement("div");
    this.root.className = "bb-slider";
    this.root.setAttribute("data-lm-suppress-shortcuts", "true");
    const id = `bb-slider-${sliders += 1}`;
    this.label = document.createElement("label");
    this.label.htmlFor = id;
    this.range = document.createElement("input");
    this.range.type = "range";
    this.field = document.createElement("input");
    this.field.type = "text";
    this.field.id = id;
    this.says = document.createElement("div");
    this.says.className = "bb-problem";
    this.says.setAttribute("role", "alert");
    this.root.append(this.label, this.range, this.field, this.says);
    this.range.addEventListener("input", () => {
      this.field.value = textAt(Number(this.range.value), model.get("log"));
      this.send(this.field.value);
    });
    this.field.addEventListener("change", () => this.send(this.field.value.trim()));
    this.heard = { "change": () => this.paint() };
    for (const [event, act] of Object.entries(this.heard)) model.on(event, act);
    this.letKeysGo = keepKeys(this.root);
    host.append(this.root);
    this.paint();
  }

  // The next value goes out with the next frame: a slider that is pulled has many.
  send(text) {
    this.next = text;
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.model.set("text", this.next);
      this.model.save_changes();
    });
  }

  paint() {
    const { model, range, field } = this;
    const get = (name) => model.get(name);
    this.label.textContent = get("label");
    this.label.title = get("tip");
    range.setAttribute("aria-label", `${get("label")}, ${get("word")}`);
    Object.assign(range, { min: get("low"), max: get("high"), step: get("step") });
    const active = this.root.getRootNode().activeElement;
    if (active !== field) field.value = get("text");
    if (active !== range) range.value = placeOf(get("text"), get("log"));
    this.says.textContent = get("problem");
    field.setAttribute("aria-invalid", String(Boolean(get("problem"))));
  }

  close() {
    this.letKeysGo();
    for (const [event, act] of Object.entries(this.heard)) this.model.off(event, act);
    cancelAnimationFrame(this.frame);
    this.root.remove();
    for (const key of Object.keys(this)) this[key] = null;
  }
}

const widget = {
  render({ model, el }) {
    const view = new SliderView(model, el);
    return () => view.close();
  },
};

// A notebook runs this module anew for every slider: all share what the first one has made.
export default (globalThis[Symbol.for("brickbook slider CHECKSUM")] ??= widget);
