import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Build } from "../build.js";
import { environmentOf } from "../broker.js";
import { MailboxAgent, peerlineMailbox } from "../mailbox.js";
import { type RowGroup, subjects } from "../row.js";
import { nowMs } from "../timing.js";

const events = { "hook.tool": "PostToolUse", "hook.prompt": "UserPromptSubmit" } as const;

export const hook: RowGroup = {
  name: "hook",
  rows: [
    {
      id: "hook.tool",
      title: "hook without mail, after a tool",
      unit: "ms",
      how: "The script runs as Claude Code runs it after each tool, beside a live adapter; from before its process starts until it has ended.",
      targets: [{ atMost: 3.3 }],
    },
    {
      id: "hook.prompt",
      title: "hook without mail, at a prompt",
      unit: "ms",
      how: "The same at a prompt, where the script also notes that the host is busy.",
      targets: [{ atMost: 3.3 }],
    },
  ],

  async measure(bench) {
    await using brokers = await bench.startBrokers();
    const agents: MailboxAgent[] = [];
    try {
      for (const { build, home } of brokers.all) {
        const of = { node: bench.node, folder: home, agent: "hooked" };
        agents.push(await MailboxAgent.start(peerlineMailbox(build), of));
      }
      for (const round of bench.rounds()) {
        for (const [row, event] of Object.entries(events)) {
          const note = async (subject: string, run: () => Promise<number>): Promise<void> => {
            for (let count = 0; count < bench.counts.hooks; count++) {
              bench.samples.add(row, subject, round, [await run()]);
            }
          };
          await note(subjects.shell, () => timeShell(["-c", ":"], "/"));
          for (const { build, home } of brokers.all) {
            await note(build.label, () => timeShell(hookOf(build, event), home));
          }
        }
      }
    } finally {
      for (const agent of agents) await agent[Symbol.asyncDispose]();
    }
  },
};

// The host is this process: the adapter is its child.
function hookOf(build: Build, event: string): string[] {
  return [join(build.folder, "doorbell.sh"), "claude", event, String(process.pid)];
}

async function timeShell(args: readonly string[], home: string): Promise<number> {
  const beginMs = nowMs();
  const environment = {
    ...environmentOf(home),
    CLAUDE_PID: String(process.pid),
    CLAUDE_CODE_SESSION_ID: "bench",
  };
  const shell = spawn("sh", args, { env: environment, stdio: ["pipe", "ignore", "ignore"] });
  // A script that reads nothing may have ended by then.
  shell.stdin.on("error", () => undefined);
  shell.stdin.end('{"session_id":"0","hook_event_name":"none"}');
  const [code] = (await once(shell, "exit")) as [number | null];
  if (code !== 0) throw new Error(`sh ${args.join(" ")} ended with ${code}`);
  return nowMs() - beginMs;
}
