import { defineTool, setSummaryDefinition } from "./definitions.js";

export const setSummary = defineTool(
  setSummaryDefinition,
  async ({ summary }, { line, identity, signal }) => {
    const { peer } = await line.call(
      (client, options) => client.updatePeer({ summary }, options),
      signal,
    );
    if (peer !== undefined) identity.update(peer);
    return { name: peer?.name, summary: peer?.profile?.summary || undefined };
  },
);
