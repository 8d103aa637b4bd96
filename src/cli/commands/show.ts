import { readConfig } from "../../endpoint/config.js";
import { callTimeoutMs } from "../limits.js";
import { printRecord } from "../print/log-entry.js";
import { connectAsOperator } from "../operator.js";
import type { Define, Shell } from "../shell.js";
import { writtenId } from "../print/message-lines.js";

export const defineShow: Define = (command, shell) => {
  command
    .description("Prints one message with where it stands. Looking moves nothing.")
    .argument("<id>", "its id, or the last 8 or more characters of it")
    .option("--json", "print the contract's WatchMessagesResponse as one JSON object")
    .addHelpText(
      "after",
      `
Examples:
  peerline show 71cb503b
  peerline show 71cb503b --json | jq -r .accepted.message.text`,
    )
    .action((id: string, { json = false }: { json?: boolean }) => showMessage(shell, id, json));
};

export async function showMessage(
  { program, out }: Shell,
  id: string,
  json: boolean,
): Promise<void> {
  await using operator = await connectAsOperator({ config: readConfig(), program });
  const messageId = writtenId(id);
  const { record } = await operator.client.getMessage({ messageId }, { timeoutMs: callTimeoutMs });
  if (record !== undefined) await printRecord(out, record, json);
}
