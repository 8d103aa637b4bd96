import { z } from "zod";
import { text } from "../lenient.js";
import { defineTool } from "./tool.js";

export const setSummary = defineTool({
  name: "set_summary",
  title: "Say what you work on",
  description:
    "Tells other agents what you are working on: list_peers shows it. Set it when you start a task.",
  isReadOnly: false,
  isIdempotent: true,
  parameters: z.strictObject({
    summary: text(z.string()).describe("one or two sentences, at most 500 bytes; empty removes it"),
  }),
  aliases: { text: "summary", description: "summary" },

  async run({ summary }, { line, identity, signal }) {
    const { peer } = await line.call(
      (client, options) => client.updatePeer({ summary }, options),
      signal,
    );
    if (peer !== undefined) identity.update(peer);
    return { name: peer?.name, summary: peer?.profile?.summary || undefined };
  },
});
