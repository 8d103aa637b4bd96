import { visibleText } from "../contract/peer-text.js";
import { EndpointError } from "../endpoint/endpoint-error.js";
import { explainStorage } from "../endpoint/storage-trouble.js";
import { HostError } from "../hosts/config-files/host-error.js";
import { RpcError } from "../rpc/error.js";
import { CliError } from "./cli-error.js";
import { ExitCode } from "./exit-codes.js";
import type { Output } from "./print/output.js";
import { explainRefusal } from "./refusal.js";

/** Says on stderr why a command failed and returns the code to exit with. A defect shows its stack. */
export async function reportFailure(error: unknown, notes: Output): Promise<ExitCode> {
  const { sentence, exitCode } = describe(error);
  if (exitCode !== ExitCode.ok) {
    // With stderr closed there is nobody left to tell.
    await notes.lines(`${notes.color.red("peerline:")} ${visibleText(sentence)}`).catch(() => {});
  }
  return exitCode;
}

function describe(raw: unknown): { sentence: string; exitCode: ExitCode } {
  const error = explainStorage(raw, pathOf(raw));
  if (error instanceof CliError) return { sentence: error.message, exitCode: error.exitCode };
  if (error instanceof EndpointError) {
    return error.code === "BROKER_UNREACHABLE"
      ? { sentence: `${error.message} See \`peerline status\`.`, exitCode: ExitCode.noBroker }
      : { sentence: error.message, exitCode: ExitCode.failure };
  }
  if (error instanceof HostError) return { sentence: error.message, exitCode: ExitCode.failure };
  if (error instanceof RpcError) {
    return { sentence: explainRefusal(error), exitCode: ExitCode.failure };
  }
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { sentence: `This is a defect of peerline. ${trace}`, exitCode: ExitCode.failure };
}

/** What an error of the system was about. */
function pathOf(error: unknown): string {
  const path = error instanceof Error && "path" in error ? error.path : undefined;
  return typeof path === "string" ? path : "A file of Peerline's";
}
