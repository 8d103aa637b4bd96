import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { EntryErrorSchema } from "../../gen/peerline/v1/broker_service_pb.js";
import { explainEntry } from "../../src/mcp/refusal.js";

test.each([
  ["text: you sent this peer the same words", "`message`: you sent this peer the same words"],
  ["in_reply_to: 8 answers followed", "`in_reply_to`: 8 answers followed"],
  [
    'to: no peer is named "x": list the peers to see their names',
    '`to`: no peer is named "x": list_peers shows who is there',
  ],
  ["the peer has too much mail", "the peer has too much mail"],
])("a recipient's refusal in the tools' words: %s", (message, told) => {
  expect(explainEntry(create(EntryErrorSchema, { message }))).toBe(told);
});
