// A migration: menus, the curves, the notes, both files. Reads the traits content and text; the
// others are what the reader chooses.

import { button, checkbox, menu, part, picture } from "./migration_parts.js";
import { NoteList } from "./migration_notes.js";
import { LineTable } from "./migration_lines.js";
import { keepKeys } from "../../views/grid/grid_keys.js";

class MigrationView {
  constructor(model, host) {
    this.model = model;
    this.root = part("div", "migration");
    this.root.setAttribute("data-lm-suppress-shortcuts", "true");
    this.top = part("div", "top");
    this.says = part("div", "says");
    this.says.setAttribute("role", "status");
    const id = `bb-${Math.random().toString(36).slice(2)}`;
    const choose = (at) => this.set("selected", at);
    this.notes = new NoteList(id, choose, (at) => {
      choose(at);
      this.lines.reveal(at, true);
    });
    this.lines = new LineTable(choose, () => this.notes.focus());
    this.root.append(this.top, this.says, this.notes.root, this.lines.root);
    this.heard = {
      "change:content": () => this.paint(),
      "change:shown": () => this.paint(),
      "change:all_lines": () => this.paint(),
      "change:selected": () => this.mark(),
    };
    for (const [event, act] of Object.entries(this.heard)) model.on(event, act);
    this.letKeysGo = keepKeys(this.root);
    host.append(this.root);
    this.paint();
  }

  set(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  paint() {
    const { model } = this;
    const content = model.get("content");
    const [shown, selected] = [model.get("shown"), model.get("selected")];
    this.paintTop(content, shown);
    this.notes.show(content, shown, selected);
    this.lines.show(content, shown, model.get("all_lines"));
    this.mark();
  }

  // The menus are made anew in another language: the one that has the focus keeps it.
  paintTop(content, shown) {
    const { model, top } = this;
    const { words } = content;
    const fields = [...top.querySelectorAll("select, input, button")];
    const at = fields.indexOf(this.root.getRootNode().activeElement);
    const bar = part("div", "bar");
    const to = (name) => (value) => this.set(name, value);
    bar.append(
      menu(words.show, words.shows, shown, to("shown")),
      menu(words.language, words.languages, model.get("language"), to("language")),
      checkbox(words.all_lines, model.get("all_lines"), to("all_lines")),
      button(words.copy, () => this.copy(words)),
      button(words.download, () => this.download(content.file)),
    );
    if (content.picture) {
      bar.prepend(menu(words.schedule, words.schedules, model.get("schedule"), to("schedule")));
    }
    top.replaceChildren(part("div", "title", content.title), bar);
    if (content.picture) top.append(picture(content.picture, content.curves));
    top.querySelectorAll("select, input, button")[at]?.focus({ preventScroll: true });
  }

  mark() {
    const at = this.model.get("selected");
    this.notes.mark(at);
    this.lines.reveal(at);
  }

  copy(words) {
    const say = (word) => { this.says.textContent = word; };
    const refuse = () => say(words.not_copied);
    if (!navigator.clipboard) refuse();
    else navigator.clipboard.writeText(this.model.get("text")).then(() => say(words.copied), refuse);
  }

  download(name) {
    const link = document.createElement("a");
    const file = new Blob([this.model.get("text")], { type: "text/plain;charset=utf-8" });
    link.href = URL.createObjectURL(file);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  close() {
    this.letKeysGo();
    for (const [event, act] of Object.entries(this.heard)) this.model.off(event, act);
    this.root.remove();
    // Whoever holds on to this, as notebooks do, holds on to nothing large.
    for (const key of Object.keys(this)) this[key] = null;
  }
}

const widget = {
  render({ model, el }) {
    const view = new MigrationView(model, el);
    return () => view.close();
  },
};

// A notebook runs this module anew for every panel and forgets none of them: all share what the
// first one has made. CHECKSUM is that of the script, so that another version has its own.
export default (globalThis[Symbol.for("brickbook migration CHECKSUM")] ??= widget);
