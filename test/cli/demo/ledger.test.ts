import { expect, test } from "vitest";
import { Ledger } from "../../../src/cli/demo/ledger.js";

const id = "0193b0c4-0000-7000-8000-00003f2a9c01";

test("counts each recipient that got its message once", () => {
  const ledger = new Ledger();
  ledger.sent(id, ["api", "web"]);
  ledger.received("api", "3f2a9c01");
  ledger.received("web", id);
  expect(ledger.tally).toEqual({
    messages: 1,
    deliveries: 2,
    once: 2,
    lost: 0,
    repeated: 0,
    strange: 0,
  });
});

test("notices what was lost, repeated, or shown to someone else", () => {
  const ledger = new Ledger();
  ledger.sent(id, ["api", "web"]);
  ledger.received("api", id);
  ledger.received("api", id);
  ledger.received("db", id);
  expect(ledger.tally).toMatchObject({ once: 0, lost: 1, repeated: 1, strange: 1 });
});
