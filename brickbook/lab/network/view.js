// A network drawn by the kernel. Reads svg, hint, selected; writes width; sends {node, kind} for what
// is chosen by a click, Enter or Space. One box at a time is in the tab order, arrows lead on.

import { keepKeys } from "../../views/grid/grid_keys.js";

const STEP = 20; // pixels: smaller changes of the width are none
const WAIT = 150;

export default {
  render({ model, el }) {
    const root = document.createElement("div");
    root.className = "bb-network";
    el.append(root);
    let items = [];
    let current = null; // the node and kind of the one in the tab order
    const same = (item) => current && item.dataset.node === current.node;
    const enter = (item) => {
      for (const other of items) other.setAttribute("tabindex", other === item ? "0" : "-1");
      current = item ? { ...item.dataset } : null;
    };
    const mark = () => {
      const chosen = String(model.get("selected"));
      for (const item of items) item.classList.toggle("bb-selected", item.dataset.node === chosen);
    };
    const draw = () => {
      const focused = root.contains(root.getRootNode().activeElement);
      root.innerHTML = model.get("svg");
      const picture = root.querySelector("svg");
      if (!picture) return;
      picture.setAttribute("role", "group");
      items = [...picture.querySelectorAll("[data-node]")]
        .sort((a, b) => Number(a.dataset.node) - Number(b.dataset.node));
      for (const item of items) {
        item.setAttribute("role", "button");
        item.setAttribute("aria-label", item.querySelector("title")?.textContent ?? "");
        item.setAttribute("aria-description", model.get("hint"));
      }
      const item = items.find(same) ?? items[0];
      enter(item);
      mark();
      if (focused) item?.focus({ preventScroll: true });
    };
    const choose = (item) => {
      enter(item);
      item.focus({ preventScroll: true });
      model.send({ node: Number(item.dataset.node), kind: item.dataset.kind });
    };
    const click = (event) => {
      const item = event.target.closest("[data-node]");
      if (item) choose(item);
    };
    const type = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const at = items.indexOf(event.target.closest("[data-node]"));
      if (at < 0) return;
      event.stopPropagation();
      if (event.key === "Enter" || event.key === " ") choose(items[at]);
      else {
        const places = {
          ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0,
          End: items.length - 1,
        };
        const to = items[places[event.key]];
        if (!to) return;
        enter(to);
        to.focus();
      }
      event.preventDefault();
    };
    let timer;
    const measure = () => {
      const width = Math.floor(root.clientWidth / STEP) * STEP;
      if (!width || width === model.get("width")) return;
      model.set("width", width);
      model.save_changes();
    };
    const observer = new ResizeObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(measure, model.get("width") ? WAIT : 0);
    });
    model.on("change:svg", draw);
    model.on("change:selected", mark);
    root.addEventListener("click", click);
    root.addEventListener("keydown", type);
    observer.observe(root);
    const letKeysGo = keepKeys(root);
    draw();
    return () => {
      letKeysGo();
      clearTimeout(timer);
      observer.disconnect();
      model.off("change:svg", draw);
      model.off("change:selected", mark);
      root.remove();
    };
  },
};
