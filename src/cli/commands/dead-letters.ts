import { ReceiptState } from "../../../gen/peerline/v1/message_pb.js";
import { systemClock } from "../../clock.js";
import { callTimeoutMs, maxLogCount } from "../limits.js";
import { connectAsOperator, namesNow, searchHistory } from "../operator.js";
import { connectAsReader, sayWhatIsSeen } from "../reader.js";
import { printRecord, writtenId } from "../print/message-lines.js";
import { receiptPhrase } from "../print/words.js";
import type { Define, Shell } from "../shell.js";
import { showMessage } from "./log.js";

export const define: Define = (command, shell) => {
  command
    .description(
      "Handles messages that were given up: rejected by their recipient, or offered too often. " +
        "They are kept until you put them back into their queue or drop them.",
    )
    .addHelpText(
      "after",
      `
Examples:
  peerline dead-letters list
  peerline dead-letters redrive 71cb503b
  peerline dead-letters drop 71cb503b --to api`,
    );
  command
    .command("list", { isDefault: true })
    .description("print the dead letters, newest last")
    .option("--json", "print the contract's WatchMessagesResponse, one JSON object per line")
    .action(({ json = false }: { json?: boolean }) => list(shell, json));
  command
    .command("show <id>")
    .description("print one message with all that is known of where it stands")
    .option("--json", "print the contract's WatchMessagesResponse")
    .action((id: string, { json = false }: { json?: boolean }) => showMessage(shell, id, json));
  command
    .command("redrive <id>")
    .description("put it back into its recipient's queue, as if it were new")
    .option("--to <name>", "the recipient, where it is given up for several", "")
    .action((id: string, { to }: { to: string }) => redrive(shell, writtenId(id), to));
  command
    .command("drop <id>")
    .description("forget it for good")
    .option("--to <name>", "the recipient, where it is given up for several", "")
    .action((id: string, { to }: { to: string }) => drop(shell, writtenId(id), to));
};

async function list(shell: Shell, json: boolean): Promise<void> {
  await using reader = await connectAsReader(shell);
  const query = { state: ReceiptState.DEAD_LETTERED };
  const { records } = await searchHistory(reader, maxLogCount, query);
  const names = await namesNow(reader);
  for (const record of records) await printRecord(shell.out, record, { json, names });
  if (records.length === 0 && !json) await shell.out.lines("There are no dead letters.");
  await sayWhatIsSeen(shell, reader);
}

async function redrive(shell: Shell, messageId: string, recipient: string): Promise<void> {
  await using operator = await connectAsOperator(shell);
  const request = { messageId, recipient };
  const { receipt } = await operator.client.redriveMessage(request, { timeoutMs: callTimeoutMs });
  if (receipt === undefined) return;
  const phrase = receiptPhrase(receipt, systemClock.now());
  await shell.out.lines(`${messageId} waits for ${receipt.recipient?.name} again (${phrase}).`);
}

async function drop(shell: Shell, messageId: string, recipient: string): Promise<void> {
  await using operator = await connectAsOperator(shell);
  await operator.client.dropMessage({ messageId, recipient }, { timeoutMs: callTimeoutMs });
  await shell.out.lines(`Dropped ${messageId}.`);
}
