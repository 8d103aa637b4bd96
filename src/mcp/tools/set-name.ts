import { readName } from "../../contract/names.js";
import { explainSpelling } from "../agent-identity.js";
import { AdapterError } from "../refusal.js";
import { defineTool, setNameDefinition } from "./definitions.js";

export const setName = defineTool(
  setNameDefinition,
  async (parameters, { line, identity, signal }) => {
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
);
