// What the page does when widgets are about to be closed, with stand-ins for them.
// test_frontend_cleanup.py says where the module is.
import assert from "node:assert/strict";
import { test } from "node:test";

const { default: cleanup } = await import(process.env.CLEANUP_MODULE);

// A model as that of a notebook, with its connection.
function model() {
  const heard = {};
  const comm = {
    said: [],
    on_msg: (act) => comm.said.push(["msg", act()]),
    on_close: (act) => comm.said.push(["close", act()]),
  };
  const made = {
    comm,
    once: (event, act) => { heard[event] = act; },
    close() {
      heard.destroy?.();
      delete made.comm;
    },
  };
  return made;
}

// The widget's own model: its callbacks, and the models that its page knows.
function own(known) {
  const acts = new Map();
  return {
    on: (event, act) => acts.set(event, act),
    off: (event, act) => assert.ok(acts.get(event) === act && acts.delete(event)),
    tell: (message) => acts.get("msg:custom")(message),
    acts,
    widget_manager: known && {
      get_model: async (id) => known[id] ?? assert.fail(`no model ${id}`),
    },
  };
}

const GONE = [["msg", undefined], ["close", undefined]];

test("what is closed is taken off its connection, not before", async () => {
  const known = { a: model(), b: model() };
  const comms = [known.a.comm, known.b.comm];
  const widget = own(known);
  cleanup.initialize({ model: widget });
  await widget.tell({ closing: ["a", "b"] });
  assert.deepEqual(comms.map(({ said }) => said), [[], []]);
  known.a.close();
  assert.deepEqual(comms.map(({ said }) => said), [GONE, []]);
});

test("a model that is not there, or closed already, is no error", async () => {
  const known = { a: model(), b: model() };
  const { comm } = known.b;
  known.a.close();
  const widget = own(known);
  cleanup.initialize({ model: widget });
  await widget.tell({ closing: ["never", "a", "b"] });
  known.b.close();
  assert.deepEqual(comm.said, GONE);
});

test("other messages, and pages that know no models, are let be", async () => {
  for (const known of [{}, undefined]) {
    const widget = own(known);
    cleanup.initialize({ model: widget });
    await widget.tell({ closing: ["a"] });
    await widget.tell({ something: "else" });
  }
});

test("closed itself, it listens no more", () => {
  const widget = own({});
  cleanup.initialize({ model: widget })();
  assert.equal(widget.acts.size, 0);
});
