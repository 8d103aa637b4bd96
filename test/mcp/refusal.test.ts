import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { StatusSchema } from "../../gen/google/rpc/status_pb.js";
import { explainEntry } from "../../src/mcp/refusal.js";
import { textOf } from "./agent.js";
import { TestHome } from "./test-home.js";

test.each([
  ["text: you sent this peer the same words", "`message`: you sent this peer the same words"],
  ["in_reply_to: 8 answers followed", "`in_reply_to`: 8 answers followed"],
  [
    'to: no peer is named "x": list the peers to see their names',
    '`to`: no peer is named "x": list_peers shows who is there',
  ],
  ["the peer has too much mail", "the peer has too much mail"],
])("a recipient's refusal in the tools' words: %s", (message, told) => {
  expect(explainEntry(create(StatusSchema, { message }))).toBe(told);
});

test("a refused send names the parameter, and the way to the names once", async () => {
  await using home = await TestHome.open();
  const [api] = await home.startAll("api", "web");
  const send = async (to: string) =>
    textOf(await api.call("send_message", { to, message: "the same" }));
  await send("web");
  expect(await send("web")).toContain("`message`: you sent this peer the same words");
  const unknown = await send("qqqqqqqq");
  expect(unknown).toContain("list_peers shows who is there");
  expect(unknown).not.toContain("list the peers");
});
