import { userInfo } from "node:os";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { explainRefusal } from "../../src/cli/failure.js";
import { Code, RpcError } from "../../src/rpc/error.js";
import { Terminal } from "./terminal.js";

test.each([
  ["text: you sent this peer the same words", "", "TEXT: you sent this peer the same words"],
  ["thread_id must be of A-Z", "thread_id", "--thread must be of A-Z"],
  ["to has 300 entries", "to", "TO has 300 entries"],
  ["to be is no field", "", "to be is no field"],
  [
    'to: the peer that was "in_reply_to" is gone: leave out in_reply_to',
    "to",
    'TO: the peer that was "in_reply_to" is gone: leave out --reply-to',
  ],
  ["peer: api is live: set even_if_live", "", "NAME: api is live: set --even-if-live"],
  ["all mail (mail_bytes) is used", "", "all mail (mail_bytes) is used"],
  ["constructor: x", "constructor", "constructor: x"],
])("the broker's refusal in the words of the command line: %s", (message, field, told) => {
  const info = create(ErrorInfoSchema, { metadata: field === "" ? {} : { field } });
  const details = [{ schema: ErrorInfoSchema, message: info }];
  expect(explainRefusal(new RpcError(Code.InvalidArgument, message, { details }))).toBe(told);
});

test("commands that are refused name what was typed", async () => {
  await using terminal = await Terminal.open();
  const me = userInfo().username.toLowerCase();
  await terminal.run("read");
  const refused = async (...args: string[]) => {
    const { code, stderr } = await terminal.run(...args);
    expect(code).toBe(1);
    return stderr;
  };
  const { stdout } = await terminal.run("send", me, "the same");
  const id = /id (\w{8})/.exec(stdout)?.[1] ?? "";
  expect(await refused("send", me, "the same")).toContain("TEXT: you sent this peer");
  expect(await refused("send", me, "x", "--thread", "a b")).toContain("--thread must be of A-Z");
  expect(await refused("send", me, "x", "--reply-to", "12345678")).toContain("--reply-to: ");
  const waits = `the id: the message is not dead-lettered: it still waits for ${me}`;
  expect(await refused("dead-letters", "redrive", `#${id}`)).toContain(waits);
  expect(await refused("dead-letters", "drop", `id ${id}`)).toContain(waits);
  await terminal.run("read");
  const confirmed = `the id: the message is not dead-lettered: ${me} has confirmed it`;
  expect(await refused("dead-letters", "redrive", id)).toContain(confirmed);
  const status = await terminal.run("status");
  expect(status.stdout).not.toMatch(/\b0\.0 (?:MiB )?(?:of it )?free/);
});
