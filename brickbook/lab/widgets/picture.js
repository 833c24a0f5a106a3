// A picture drawn by the kernel for the width that there is. Reads svg; writes width, and chosen: the
// data-layer of what was clicked.

const STEP = 20; // pixels: smaller changes of the width are none
const WAIT = 150;

export default {
  render({ model, el }) {
    const root = document.createElement("div");
    root.className = "bb-drawing";
    el.append(root);
    const draw = () => { root.innerHTML = model.get("svg"); };
    const click = (event) => {
      const layer = event.target.closest("[data-layer]")?.dataset.layer;
      if (layer === undefined) return;
      model.set("chosen", "");
      model.set("chosen", layer);
      model.save_changes();
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
    root.addEventListener("click", click);
    observer.observe(root);
    draw();
    return () => {
      clearTimeout(timer);
      observer.disconnect();
      model.off("change:svg", draw);
      root.remove();
    };
  },
};
