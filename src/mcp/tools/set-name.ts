import { z } from "zod";
import { AdapterError } from "../adapter-error.js";
import { maxNameLength } from "../limits.js";
import { defineTool } from "./tool.js";

export const setName = defineTool({
  name: "set_name",
  title: "Take a name",
  description:
    "Changes the name by which other agents reach you, for example to your role: backend. Your mail comes with you.",
  isReadOnly: false,
  isIdempotent: true,
  parameters: z.strictObject({
    name: z
      .string()
      .min(1)
      .describe(`the new name: 1 to ${maxNameLength} of a-z, 0-9, dot, underscore, hyphen`),
  }),
  aliases: { role: "name", new_name: "name" },

  async run(parameters, { session, identity, signal }) {
    const name = nameFrom(parameters.name);
    const { peer } = await session.call(
      (client, options) => client.updatePeer({ name }, options),
      signal,
    );
    if (peer !== undefined) identity.update(peer);
    return { name: peer?.name };
  },
});

/** Makes a name of a role as people write it: `Backend Engineer` becomes `backend-engineer`. */
function nameFrom(text: string): string {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replaceAll(/^[^a-z0-9]+|-+$/g, "");
  if (name !== "" && name.length <= maxNameLength) return name;
  throw new AdapterError(
    "BAD_PARAMETER",
    `\`name\` cannot be ${JSON.stringify(text.slice(0, 60))}: use 1 to ${maxNameLength} of a-z, 0-9, dot, underscore and hyphen.`,
  );
}
