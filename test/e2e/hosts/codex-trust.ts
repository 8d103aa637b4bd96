import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { z } from "zod";
import { hostPath } from "../../hosts/installed-hosts.js";
import type { AgentStart } from "./host-program.js";
import { maxRunMs } from "./limits.js";

/** Trusts the hooks that Codex finds, as its user does at its start: with the hash that it has of each. */
export async function trustHooks({ cwd, env }: AgentStart): Promise<void> {
  const child = spawn(hostPath("codex"), ["app-server"], {
    cwd,
    env,
    stdio: ["pipe", "pipe", "ignore"],
    timeout: maxRunMs,
  });
  const ended = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let calls = 0;
  const call = async (method: string, params: object): Promise<unknown> => {
    const id = ++calls;
    child.stdin.write(`${JSON.stringify({ id, method, params })}\n`);
    for (;;) {
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`codex app-server ended before it answered ${method}`);
      const answer = answerSchema.parse(JSON.parse(value));
      if (answer.id !== id) continue;
      if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
      return answer.result;
    }
  };
  try {
    await call("initialize", { clientInfo: { name: "test", version: "1" } });
    const { data } = hooksSchema.parse(await call("hooks/list", { cwds: [cwd] }));
    const found = data.flatMap(({ hooks }) => hooks);
    const value = Object.fromEntries(
      found.map(({ key, currentHash }) => [key, { trusted_hash: currentHash }]),
    );
    const edits = [{ keyPath: "hooks.state", value, mergeStrategy: "upsert" }];
    await call("config/batchWrite", { edits });
  } finally {
    child.stdin.end();
    await ended;
  }
}

const answerSchema = z.looseObject({
  id: z.number().optional(),
  result: z.unknown().optional(),
  error: z.object({ message: z.string() }).optional(),
});
const hooksSchema = z.object({
  data: z.array(
    z.object({ hooks: z.array(z.object({ key: z.string(), currentHash: z.string() })) }),
  ),
});
