import { readConfig } from "../../endpoint/config.js";
import { callTimeoutMs } from "../limits.js";
import { connectAsOperator } from "../operator.js";
import type { Define, Shell } from "../shell.js";

export const defineUnmute: Define = (command, shell) => {
  command
    .description("Lets a peer send again that was muted.")
    .argument("<peer>", "its name or id")
    .addHelpText("after", "\nExample:\n  peerline unmute worker-3")
    .action((peer: string) => unmute(shell, peer));
};

async function unmute({ program, out }: Shell, name: string): Promise<void> {
  await using operator = await connectAsOperator({ config: readConfig(), program });
  const { peer } = await operator.client.unmutePeer({ peer: name }, { timeoutMs: callTimeoutMs });
  await out.lines(`${peer?.name} may send.`);
}
