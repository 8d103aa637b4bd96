import { existsSync } from "node:fs";
import { readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { hostPath } from "../../hosts/installed-hosts.js";
import type { AgentStart } from "./host-program.js";
import { runToEnd } from "./run-to-end.js";

/** Ends what Codex at a terminal started for all sessions of its user, and removes what that leaves. */
export async function endDaemon(start: AgentStart): Promise<void> {
  const folder = join(start.env.HOME, ".codex");
  const updater = join(folder, "app-server-daemon/daemon-updater.pid");
  if (!existsSync(updater)) return;
  // They lie in a folder of the machine's that all homes share.
  const sockets = await Promise.all(
    ["app-server-control/app-server-control.sock", "app-server-daemon/daemon-updater.sock"].map(
      async (link) => readlink(join(folder, link)),
    ),
  );
  await runToEnd([hostPath("codex"), "app-server", "daemon", "stop"], start);
  // Its own command leaves the process that looks for newer versions.
  process.kill(pidSchema.parse(JSON.parse(await readFile(updater, "utf8"))).pid, "SIGTERM");
  const left = sockets.flatMap((socket) => [socket, `${socket}.lock`]);
  await Promise.all(left.map(async (path) => rm(path, { force: true })));
}

const pidSchema = z.object({ pid: z.number().int().positive() });
