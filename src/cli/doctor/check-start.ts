import { isNode, isNodeTooOld, nodeVersion } from "../../endpoint/broker-command.js";
import { VERSION } from "../../endpoint/version.js";
import { serverName } from "../../hosts/config-files/server-entry.js";
import { advise, commandLine, reinstall } from "./advice.js";
import { isExpanded, type EntryView } from "./check-entries.js";
import type { HostView } from "./check-hosts.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { startTimeoutMs } from "../limits.js";
import { startCommand, type StartOutcome } from "./start-command.js";

/** Whether what the entries name starts and answers: each command once, whatever number of hosts name it. */
export async function checkStart(evidence: Evidence, signal: AbortSignal): Promise<Finding[]> {
  const outcomes = new Map<string, StartOutcome>();
  const findings: Finding[] = [];
  for (const view of evidence.hosts) {
    for (const entry of view.entries) {
      if (entry.scope === "ignored") continue;
      const { command, args, env, missing, fleeting, relative } = entry;
      if (missing !== undefined || fleeting !== undefined || relative !== undefined) continue;
      const obstacle = obstacleTo(entry, evidence);
      if (command === undefined || obstacle !== undefined) {
        findings.push(notStarted(view, entry, obstacle));
        continue;
      }
      const key = JSON.stringify([command, args, env]);
      const outcome = outcomes.get(key) ?? (await start(command, entry, evidence, signal));
      outcomes.set(key, outcome);
      findings.push(...(await judge({ evidence, view, entry, command, outcome, signal })));
    }
  }
  return findings;
}

/** Why a command is not started from here. */
function obstacleTo(entry: EntryView, { program }: Evidence): string | undefined {
  const { command, args, env, scope } = entry;
  if (command === undefined) return "it names no command";
  if ([command, ...args].some(isExpanded)) return "its host replaces variables in it";
  if (scope !== "project") return undefined;
  // What a checkout brings along is not run before its user has said so to the host.
  const isThis = command === process.execPath && args.join("\0") === `${program}\0mcp`;
  const isPlain = Object.keys(env).every((name) => name.startsWith("PEERLINE_"));
  return isThis && isPlain ? undefined : "it comes with the project";
}

function notStarted({ host }: HostView, entry: EntryView, obstacle = ""): Finding {
  const seen = `what the entry in ${entry.path} names was not started: ${obstacle}`;
  return { id: "entry-not-started", severity: "note", subject: host.title, seen };
}

function start(
  command: string,
  { args, env }: EntryView,
  { config, project }: Evidence,
  signal: AbortSignal,
): Promise<StartOutcome> {
  const whole = { ...config.brokerEnvironment, ...env };
  return startCommand({ command, args, env: whole, cwd: project, signal });
}

async function judge(options: {
  evidence: Evidence;
  view: HostView;
  entry: EntryView;
  command: string;
  outcome: StartOutcome;
  signal: AbortSignal;
}): Promise<Finding[]> {
  const { evidence, view, entry, command, outcome, signal } = options;
  const subject = view.host.title;
  const advice = advise(reinstall(evidence, view, entry));
  const what = `what the entry in ${entry.path} starts`;
  switch (outcome.kind) {
    case "answered": {
      if (outcome.name !== serverName) {
        const seen = `${what} is another server, ${outcome.name}`;
        return [{ id: "entry-foreign", severity: "problem", subject, seen, ...advice }];
      }
      const seen = `${what} answers`;
      const answers: Finding = { id: "entry-answers", severity: "ok", subject, seen };
      if (outcome.version === VERSION) return [answers];
      const other = `${what} is version ${outcome.version}, and this is ${VERSION}`;
      return [{ id: "entry-version", severity: "warning", subject, seen: other, ...advice }];
    }
    case "noise": {
      const seen = `${what} writes ${outcome.bytes} bytes to its standard output that are no JSON-RPC`;
      const quiet = advise(advice.commands, "or let it write them to standard error");
      return [{ id: "entry-noise", severity: "problem", subject, seen, ...quiet }];
    }
    case "silent": {
      const seen = `${what} does not answer within ${startTimeoutMs / 1000} s`;
      return [{ id: "entry-silent", severity: "problem", subject, seen, ...advice }];
    }
    case "ended": {
      const version = isNode(command)
        ? await nodeVersion(command, { env: evidence.config.brokerEnvironment, signal })
        : undefined;
      if (version !== undefined && isNodeTooOld(version)) {
        const seen = `the entry in ${entry.path} runs on Node ${version}, and needs 20.19 or newer`;
        return [{ id: "entry-node", severity: "problem", subject, seen, ...advice }];
      }
      const seen = `${what} ends before it answers (${outcome.how})`;
      const see = advise(advice.commands, `or see what it says: ${shown(command, entry.args)}`);
      return [{ id: "entry-ended", severity: "problem", subject, seen, ...see }];
    }
  }
}

/** Arguments may hold secrets: only those that `install` writes are shown. */
function shown(command: string, args: readonly string[]): string {
  const isPlain = args.every((arg) => arg === "mcp" || /\/peerline(?:\.js)?$/.test(arg));
  return isPlain ? commandLine(command, ...args) : `${commandLine(command)} with its arguments`;
}
