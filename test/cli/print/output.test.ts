import fc from "fast-check";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Output, jsonLine } from "../../../src/cli/print/output.js";
import { Terminal } from "../terminal.js";

test("what was written has been taken by the stream when the write resolves", async () => {
  const stream = new PassThrough();
  const out = new Output(stream);
  await out.lines("one", "two");
  await out.lines();
  await out.json({ three: "\u009B" });
  expect(String(stream.read())).toBe('one\ntwo\n{"three":"\\u009b"}\n');
});

test("lines for people are broken between words at the terminal's width, what is to be copied is not", async () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 12 });
  const out = new Output(terminal);
  await out.lines("one two three\nfour", "  five six seven");
  await out.exact("rm one two three");
  expect(String(terminal.read())).toBe(
    "one two\n  three\nfour\n  five six\n    seven\nrm one two three\n",
  );
  const pipe = new PassThrough();
  await new Output(pipe).lines("one two three four five six seven eight nine ten ".repeat(20));
  expect(String(pipe.read()).match(/\n/g)).toHaveLength(1);
});

test("a reader that has gone is told apart from other failures", async () => {
  const gone = new PassThrough();
  const out = new Output(gone);
  gone.destroy();
  await expect(out.lines("one")).rejects.toMatchObject({ code: "OUTPUT_CLOSED" });

  const full = new PassThrough({
    transform: (_chunk, _encoding, done) =>
      done(Object.assign(new Error("full"), { code: "ENOSPC" })),
  });
  await expect(new Output(full).lines("one")).rejects.toMatchObject({ code: "ENOSPC" });
});

test("what is no terminal gets no colours, whatever the environment asks for", async () => {
  await using terminal = await Terminal.open();
  const env = { ...terminal.environment, FORCE_COLOR: "1", CI: "true" };
  const { stdout } = await terminal.start(["status"], "", env).ended;
  expect(stdout).toContain("is not running");
  expect(stdout.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
});

test("nothing that a terminal acts on is left, and nothing is lost", () => {
  const text = "\u001B[2J\u009B31m\u202Etxt\u2028\u007F\n";
  const line = jsonLine({ text });
  expect(line).not.toMatch(/[\p{Cc}\p{Bidi_Control}\u2028]/u);
  expect(JSON.parse(line)).toEqual({ text });
});

test("any text comes back as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(JSON.parse(jsonLine(text))).toBe(text);
    }),
  );
});
