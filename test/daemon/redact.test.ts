import { expect, test } from "vitest";
import { redact } from "../../src/daemon/redact.js";

test("leaves out credentials and words, whatever the depth", () => {
  const request = {
    secret: "s",
    keyring: ["a"],
    deep: { deeper: [{ sessionToken: "t", text: "hi" }] },
  };
  const line = redact({ token: "t", authorization: "Bearer t", data: { a: 1 }, request });
  expect(line).toEqual({
    token: "[redacted]",
    authorization: "[redacted]",
    data: "[redacted]",
    request: {
      secret: "[redacted]",
      keyring: "[redacted]",
      deep: { deeper: [{ sessionToken: "[redacted]", text: "[redacted]" }] },
    },
  });
});

test("keeps what an operator needs", () => {
  const fields = { peer: "api", count: 3, seq: 7n, ok: true, none: null, names: ["a", "b"] };
  expect(redact(fields)).toEqual(fields);
});

test("tells of an error its type, code, message, stack and causes, and no other field", () => {
  const cause = Object.assign(new Error("disk"), { code: "EIO" });
  const error = Object.assign(new Error("failed", { cause }), { request: { text: "hi" } });
  const { err } = redact({ err: error });
  expect(err).toMatchObject({ message: "failed", cause: { message: "disk", code: "EIO" } });
  expect(JSON.stringify(err)).not.toContain("hi");
});

test("tells all errors of an aggregate", () => {
  const error = new AggregateError([new Error("one"), new Error("two")], "both");
  expect(redact({ err: error })).toMatchObject({
    err: { message: "both", errors: [{ message: "one" }, { message: "two" }] },
  });
});

test("ends where a value contains itself", () => {
  const loop: Record<string, unknown> = {};
  loop["self"] = loop;
  expect(JSON.stringify(redact({ loop }))).toContain("[deep]");
});

test("does not change what it was given", () => {
  const fields = { request: { secret: "s" } };
  redact(fields);
  expect(fields.request.secret).toBe("s");
});
