import { toJson } from "@bufbuild/protobuf";
import { ListMachinesResponseSchema } from "../../../gen/peerline/v1/broker_service_pb.js";
import { visibleLine } from "../../contract/peer-text.js";
import { systemClock } from "../../clock.js";
import { readConfig } from "../../endpoint/config.js";
import { CliError } from "../failure.js";
import { callTimeoutMs } from "../limits.js";
import { connectAsOperator } from "../operator.js";
import { machineLines } from "../print/machine-lines.js";
import { count } from "../print/words.js";
import type { Define, Shell } from "../shell.js";

export const define: Define = (command, shell) => {
  command
    .description(
      "Handles the other machines that were let in by `peerline share` and `peerline join`.",
    )
    .addHelpText(
      "after",
      `
Examples:
  peerline machines
  peerline machines revoke desktop`,
    );
  command
    .command("list", { isDefault: true })
    .description("Prints the machines, when each was used last, and from where.")
    .summary("print the machines, when each was used last, and from where")
    .option("--json", "print the contract's ListMachinesResponse")
    .addHelpText("after", "\nExample:\n  peerline machines list --json")
    .action(({ json = false }: { json?: boolean }) => list(shell, json));
  command
    .command("revoke <name>")
    .description(
      "Lets a machine in no more: its agents lose their sessions now, and it joins again by a new line alone. " +
        "`peerline machines` says the names.",
    )
    .summary("let a machine in no more: its agents lose their sessions now")
    .addHelpText("after", "\nExample:\n  peerline machines revoke desktop")
    .action((name: string) => revoke(shell, name));
};

async function list(shell: Shell, json: boolean): Promise<void> {
  await using operator = await connectAsOperator(shell);
  const found = await operator.client.listMachines({}, { timeoutMs: callTimeoutMs });
  if (json) {
    await shell.out.json(toJson(ListMachinesResponseSchema, found, { alwaysEmitImplicit: true }));
  } else if (found.machines.length === 0) {
    await shell.out.lines(
      "No other machine was let in. `peerline share` prints a line to join with.",
    );
  } else {
    await shell.out.lines(...machineLines(found.machines, shell.out, systemClock.now()));
  }
}

async function revoke(shell: Shell, name: string): Promise<void> {
  const { joined, endpoint } = readConfig();
  if (joined !== undefined) {
    throw new CliError(
      "ELSEWHERE",
      `The broker at ${endpoint} is of another machine: run this there. \`peerline leave\` lets this one out.`,
    );
  }
  await using operator = await connectAsOperator(shell);
  const options = { timeoutMs: callTimeoutMs };
  const { machine, endedSessions } = await operator.client.revokeMachine({ name }, options);
  const ended = count(endedSessions, "session");
  await shell.out.lines(`${visibleLine(machine?.name ?? name)} is let in no more; ${ended} ended.`);
}
