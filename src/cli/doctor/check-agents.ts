import { VERSION } from "../../endpoint/version.js";
import { count } from "../print/words.js";
import type { Evidence } from "./evidence.js";
import type { Finding } from "./finding.js";
import { maxListed } from "./limits.js";
import { programVersion } from "./plain-start.js";
import { socketOf, type RunningProgram } from "./running-programs.js";

/** Agents that talk to different brokers cannot find each other, and nothing else tells of it. */
export function checkHomes({ config, running }: Evidence): Finding[] {
  if (running === undefined) {
    const seen =
      "this system does not show which homes running agents use: compare `peerline peers` with the agents that you have";
    return [{ id: "homes", severity: "note", subject: "agents", seen }];
  }
  const here = socketOf(config.endpoint);
  const adapters = running.filter(({ kind }) => kind === "adapter");
  const elsewhere = running.filter(({ socket }) => socket !== here);
  if (elsewhere.length === 0) {
    const seen =
      adapters.length === 0
        ? "none runs now"
        : `${count(adapters.length, "agent")} of this user, all at ${here}`;
    return [{ id: "homes", severity: "ok", subject: "agents", seen }];
  }
  const sockets = [...new Set(elsewhere.map(({ socket }) => socket))];
  return sockets.map((socket) => {
    const programs = elsewhere.filter((program) => program.socket === socket);
    return differs(socket, programs, here);
  });
}

function differs(socket: string, programs: readonly RunningProgram[], here: string): Finding {
  const isAgents = programs.some(({ kind }) => kind === "adapter");
  return {
    id: "homes-differ",
    severity: isAgents ? "problem" : "note",
    subject: socket,
    seen: `${programs.slice(0, maxListed).map(words).join(", ")}: not at ${here}, as here`,
    mend: "Set PEERLINE_HOME and PEERLINE_BROKER the same for all, or nowhere; then restart those agents",
  };
}

function words({ kind, pid, cwd }: RunningProgram): string {
  return `${kind === "adapter" ? "an agent" : "a broker"} (pid ${pid}${cwd === undefined ? "" : `, in ${cwd}`})`;
}

/** The versions of the adapters that run, by the programs they were started from. */
export function checkAdapters({ running = [] }: Evidence): Finding[] {
  return running.flatMap(({ kind, pid, program, cwd }) => {
    if (kind !== "adapter") return [];
    const version = program === undefined ? undefined : programVersion(program);
    if (program !== undefined && (version === undefined || version === VERSION)) return [];
    const what = version === undefined ? "a program that was removed" : `version ${version}`;
    const where = cwd === undefined ? "" : ` in ${cwd}`;
    return {
      id: "adapter-version",
      severity: "warning",
      subject: program ?? `pid ${pid}`,
      seen: `the agent${where} (adapter ${pid}) runs ${what}, and this is ${VERSION}`,
      mend: "Restart that agent",
    } satisfies Finding;
  });
}
