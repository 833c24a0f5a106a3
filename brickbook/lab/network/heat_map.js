// A small weight as cells: blue below zero, orange above, on the scale of the largest. One cell is
// chosen, by click or arrow keys; a field writes it, a button sets its whole row to zero.

import { keepKeys } from "../../views/grid/grid_keys.js";

const SIDE = 640; // pixels, at most, of either axis while cells are at least LEAST wide
const LEAST = 6;
const MOST = 24;
const LOW = [43, 138, 198];
const HIGH = [213, 94, 0];
const MIDDLE = [128, 128, 128];

function colour(value, most) {
  if (!Number.isFinite(value)) return "#cc3311";
  const share = most > 0 ? Math.min(1, Math.abs(value) / most) : 0;
  const end = value < 0 ? LOW : HIGH;
  const mixed = MIDDLE.map((middle, at) => Math.round(middle + (end[at] - middle) * share));
  return `rgb(${mixed.join(" ")} / ${0.12 + 0.88 * share})`;
}

export default {
  render({ model, el }) {
    const make = (tag, properties = {}, ...children) => {
      const made = Object.assign(document.createElement(tag), properties);
      made.append(...children);
      return made;
    };
    const canvas = make("canvas", { tabIndex: 0 });
    canvas.setAttribute("role", "img");
    const told = make("output");
    const field = make("input", { type: "text", inputMode: "decimal", size: 10 });
    const label = make("label");
    const write = make("button", { type: "submit" });
    const zero = make("button", { type: "button" });
    const form = make("form", {}, told, make("div", {}, label, " ", field, " ", write), zero);
    const root = make("div", { className: "bb-heat" },
      make("div", { className: "bb-cells" }, canvas), form);
    el.append(root);
    let row = 0;
    let column = 0;
    let size = MOST;
    let values = new Float32Array();
    const shape = () => [model.get("rows"), model.get("columns")];
    const value = () => values[row * shape()[1] + column];
    const fill = (text, names) => Object.entries(names).reduce(
      (all, [key, one]) => all.replaceAll(`{${key}}`, one), text ?? "");
    const tell = () => {
      const words = model.get("words");
      const shown = Number(value()?.toPrecision(5));
      const said = fill(words.cell, { name: model.get("name"), row, column, value: shown });
      told.textContent = said;
      canvas.setAttribute("aria-label", `${said}. ${words.keys ?? ""}`);
      label.textContent = words.value ?? "";
      field.setAttribute("aria-label", words.value ?? "");
      write.textContent = words.write ?? "";
      zero.textContent = fill(words.zero, { row });
      if (root.getRootNode().activeElement !== field) field.value = String(shown);
    };
    const draw = () => {
      const data = model.get("values");
      values = new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
      const [rows, columns] = shape();
      row = Math.max(0, Math.min(row, rows - 1));
      column = Math.max(0, Math.min(column, columns - 1));
      size = Math.max(LEAST, Math.min(MOST, Math.floor(SIDE / Math.max(1, columns, rows / 2))));
      canvas.width = columns * size;
      canvas.height = rows * size;
      const most = values.reduce((all, one) => Number.isFinite(one) ? Math.max(all, Math.abs(one)) : all, 0);
      const context = canvas.getContext("2d");
      for (let at = 0; at < values.length; at += 1) {
        context.fillStyle = colour(values[at], most);
        context.fillRect((at % columns) * size, Math.floor(at / columns) * size, size - 1, size - 1);
      }
      for (const [style, width] of [["#fff", 4], ["#000", 2]]) { // seen in light and in dark
        context.strokeStyle = style;
        context.lineWidth = width;
        context.strokeRect(column * size + 1, row * size + 1, size - 3, size - 3);
      }
      tell();
    };
    const choose = (newRow, newColumn) => {
      const [rows, columns] = shape();
      row = Math.max(0, Math.min(rows - 1, newRow));
      column = Math.max(0, Math.min(columns - 1, newColumn));
      draw();
    };
    canvas.addEventListener("click", (event) => {
      const frame = canvas.getBoundingClientRect();
      choose(Math.floor((event.clientY - frame.top) / size), Math.floor((event.clientX - frame.left) / size));
      canvas.focus({ preventScroll: true });
    });
    const keys = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      event.stopPropagation();
      if (event.target !== canvas) return;
      const moves = {
        ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
      };
      const move = moves[event.key];
      if (move) choose(row + move[0], column + move[1]);
      else if (event.key === "Enter") field.select();
      else return;
      event.preventDefault();
    };
    root.addEventListener("keydown", keys);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      model.send({ row, column, value: field.value });
    });
    zero.addEventListener("click", () => model.send({ row, column: -1, value: "0" }));
    for (const key of ["values", "name", "words"]) model.on(`change:${key}`, draw);
    const letKeysGo = keepKeys(root);
    draw();
    return () => {
      letKeysGo();
      for (const key of ["values", "name", "words"]) model.off(`change:${key}`, draw);
      root.remove();
    };
  },
};
