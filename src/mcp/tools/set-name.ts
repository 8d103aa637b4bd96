import { z } from "zod";
import { nameForm, readName } from "../../contract/names.js";
import { explainSpelling } from "../agent-identity.js";
import { text } from "../lenient.js";
import { AdapterError } from "../refusal.js";
import { defineTool } from "./tool.js";

export const setName = defineTool({
  name: "set_name",
  title: "Take a name",
  description:
    "Changes the name by which other agents reach you, for example to your role: backend. Your mail comes with you.",
  isReadOnly: false,
  isIdempotent: true,
  parameters: z.strictObject({
    name: text(z.string().min(1)).describe(`the new name: ${nameForm}`),
  }),
  aliases: { role: "name", new_name: "name" },

  async run(parameters, { line, identity, signal }) {
    const { name, problem } = readName(parameters.name);
    if (problem !== undefined) throw new AdapterError("BAD_PARAMETER", `\`name\` ${problem}.`);
    const { peer } = await line.call(
      (client, options) => client.updatePeer({ name }, options),
      signal,
    );
    if (peer !== undefined) identity.update(peer);
    const note = explainSpelling("`name`", parameters.name, peer?.name ?? name);
    return { name: peer?.name, note };
  },
});
