import { z } from "zod";
import { findCheckout } from "../checkout.js";
import { defineTool } from "./tool.js";

export const setSummary = defineTool({
  name: "set_summary",
  title: "Say what you work on",
  description:
    "Tells the other agents in a sentence or two what you are working on; they see it in list_peers. Set it when you start a task.",
  isReadOnly: false,
  isIdempotent: true,
  parameters: z.strictObject({
    summary: z.string().describe("one or two sentences, at most 500 bytes; empty to remove it"),
  }),
  aliases: { text: "summary", description: "summary" },

  async run({ summary }, { session, identity, cwd, signal }) {
    // A new task often means a new branch.
    const branch = (await findCheckout(cwd))?.branch ?? "";
    const { peer } = await session.call(
      (client, options) => client.updatePeer({ summary, branch }, options),
      signal,
    );
    if (peer !== undefined) identity.update(peer);
    return { name: peer?.name, summary: peer?.profile?.summary || undefined };
  },
});
