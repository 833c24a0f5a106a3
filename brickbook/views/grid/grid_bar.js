// The controls above the grid and its legend.

import { whole } from "./grid_words.js";
import { GROUPS, SORTS } from "./grid_cells.js";
import { FILTERS, ruleFilter } from "./grid_search.js";
import { node, place } from "./grid_nodes.js";
import { chip } from "./grid_cell.js";

const LISTED = 12; // so many rules have a place in the legend; the filter has all of them
const VARIANTS_AS = ["overlay", "beside"];

const option = (value, text) => node("option", { value }, text);
const options = (key, values, say) => values.map((value) => option(value, say(`${key}.${value}`)));

export class Bar {
  // What is set goes to `tell(key, value)`; nothing here knows a cell.
  constructor(tell) {
    this.tell = tell;
    this.language = null;
    this.told = node("span", { class: "bb-told", role: "status" });
    this.fields = {
      query: node("input", { type: "search", autocomplete: "off", spellcheck: "false" }),
      filter: node("select"), sort: node("select"), group: node("select"),
      variants_as: node("select"), log_counts: node("input", { type: "checkbox" }),
      same_x: node("input", { type: "checkbox" }),
      as_table: node("button", { type: "button", class: "bb-button" }),
    };
    this.labels = {};
    for (const [key, field] of Object.entries(this.fields)) {
      this.labels[key] = key === "as_table" ? field : node("label", {}, node("span"), field);
      if (field.type === "checkbox") this.labels[key].prepend(field);
      this.listen(key, field);
    }
    this.legend = node("ul", { class: "bb-legend" });
    this.rules = node("ul", { class: "bb-legend bb-rules" });
    this.root = node("div", { class: "bb-head-part" },
      node("div", { class: "bb-bar" }, ...Object.values(this.labels), this.told),
      this.legend, this.rules);
  }

  listen(key, field) {
    if (key === "as_table") {
      field.addEventListener("click", () =>
        this.tell(key, field.getAttribute("aria-pressed") !== "true"));
    } else if (field.type === "checkbox") {
      field.addEventListener("change", () => this.tell(key, field.checked));
    } else {
      field.addEventListener(key === "query" ? "input" : "change", () => this.tell(key, field.value));
    }
  }

  // Texts, menus and legend for a payload.
  name(meta, counts, say) {
    const { query, filter, sort, group, variants_as: variants, as_table: table } = this.fields;
    if (this.language !== meta.language) {
      this.language = meta.language;
      const titles = { query: "search", filter: "show" };
      for (const [key, label] of Object.entries(this.labels)) {
        (key === "as_table" ? label : label.querySelector("span")).textContent = say(titles[key] ?? key);
      }
      query.placeholder = say("search_hint");
      sort.replaceChildren(...options("sort", SORTS, say));
      group.replaceChildren(...options("group", GROUPS, say));
      variants.replaceChildren(...options("variants_as", VARIANTS_AS, say));
      table.setAttribute("aria-pressed", "false");
      this.legend.setAttribute("aria-label", say("legend"));
      this.rules.setAttribute("aria-label", say("rules"));
    }
    const rules = node("optgroup", { label: say("show.rules") }, ...(meta.rules ?? []).map((rule) =>
      option(ruleFilter(rule.source), `${rule.badge}  ${rule.name} ${rule.source}`)));
    filter.replaceChildren(...options("show", FILTERS, say), ...(rules.children.length ? [rules] : []));
    this.labels.variants_as.hidden = (meta.variants ?? []).length < 2;
    this.explain(meta, counts, say);
  }

  explain(meta, counts, say) {
    const rules = meta.rules ?? [];
    const told = (rule) => node("li", { title: rule.source }, chip(rule),
      `${rule.name || rule.source} (${whole(counts.get(rule.source) ?? 0)})`);
    const more = rules.length - LISTED;
    place(this.rules, [...rules.slice(0, LISTED).map(told),
      ...(more > 0 ? [node("li", {}, say("more_rules", { n: more }))] : [])]);
    this.rules.hidden = !rules.length;
  }

  // Which marks the pictures use.
  key(meta, state, say) {
    const variants = meta.variants ?? [];
    const entry = (kind, text) => node("li", {}, node("i", { class: `bb-key ${kind}` }), text);
    const overlay = variants.length > 1 && state.variants_as !== "beside";
    const laws = meta.laws ?? [];
    const found = [entry(overlay ? "bb-key-base" : "bb-key-before", say("before"))];
    if (!variants.length) found.push(entry("bb-key-after", say("after")));
    variants.forEach((name, at) =>
      found.push(entry(`${overlay ? "bb-key-line" : "bb-key-after"} bb-v${at}`, name)));
    if (!overlay) {
      found.push(entry("bb-key-same", say("untouched")));
      if (laws.length) found.push(entry("bb-key-law", say("law")));
      if (laws.some((law) => law.atoms)) found.push(entry("bb-key-atom", say("atom")));
    }
    this.legend.replaceChildren(...found);
  }

  // Show what holds; a field that says so already is left alone, with its cursor.
  set(state) {
    for (const [key, field] of Object.entries(this.fields)) {
      if (key === "as_table") field.setAttribute("aria-pressed", String(state[key]));
      else if (field.type === "checkbox") field.checked = state[key];
      else if (field.value !== state[key]) this.choose(field, state[key]);
    }
  }

  choose(field, value) {
    field.value = value;
    // Such as a rule that is not there any more: say what holds all the same.
    if (field.tagName === "SELECT" && field.value !== value) {
      field.append(option(value, value));
      field.value = value;
    }
  }

  complain(wrong) {
    this.fields.query.setAttribute("aria-invalid", String(wrong));
  }
}
