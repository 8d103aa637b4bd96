import { join } from "node:path";
import { expect, test } from "vitest";
import { WithholdingProxy } from "../support/withholding-proxy.js";
import { TestHome } from "./test-home.js";

test("a send that the host gave up before it was answered, called again, is the same message", async () => {
  await using home = await TestHome.open();
  const reader = await home.start("reader");
  await reader.facts("list_peers");
  const path = join(home.path, "proxy.sock");
  await using proxy = await WithholdingProxy.listen(path, join(home.path, "broker.sock"));
  const sender = await home.start("sender", { env: { PEERLINE_BROKER: `unix:${path}` } });
  await sender.facts("list_peers");

  const parameters = { to: "reader", message: "once" };
  const givesUp = new AbortController();
  proxy.withhold();
  const unanswered = sender.facts("send_message", parameters, { signal: givesUp.signal });
  const { messages } = await reader.facts("get_messages", { wait_ms: 20_000 });
  expect(messages).toMatchObject([{ text: "once" }]);
  givesUp.abort();
  await expect(unanswered).rejects.toThrow();
  // What comes after it was answered: so the adapter has heard that the call was given up.
  await sender.client.listTools();
  proxy.release();

  const again = await sender.facts("send_message", parameters);
  expect(again.message_id).toBe(messages[0].id);
  expect((await reader.facts("get_messages")).messages).toEqual([]);
});
