// What the page does when widgets are about to be closed, with stand-ins for them.
// test_sweeper.py says where the module is.
import assert from "node:assert/strict";
import { test } from "node:test";

const { default: sweeper } = await import(process.env.SWEEPER_MODULE);

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

// The sweeper's own model: what it hears, and the models that its page knows.
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
  const sweeping = own(known);
  sweeper.initialize({ model: sweeping });
  await sweeping.tell({ closing: ["a", "b"] });
  assert.deepEqual(comms.map(({ said }) => said), [[], []]);
  known.a.close();
  assert.deepEqual(comms.map(({ said }) => said), [GONE, []]);
});

test("a model that is not there, or closed already, is no error", async () => {
  const known = { a: model(), b: model() };
  const { comm } = known.b;
  known.a.close();
  const sweeping = own(known);
  sweeper.initialize({ model: sweeping });
  await sweeping.tell({ closing: ["never", "a", "b"] });
  known.b.close();
  assert.deepEqual(comm.said, GONE);
});

test("other messages, and pages that know no models, are let be", async () => {
  for (const known of [{}, undefined]) {
    const sweeping = own(known);
    sweeper.initialize({ model: sweeping });
    await sweeping.tell({ closing: ["a"] });
    await sweeping.tell({ something: "else" });
  }
});

test("closed itself, it listens no more", () => {
  const sweeping = own({});
  sweeper.initialize({ model: sweeping })();
  assert.equal(sweeping.acts.size, 0);
});
