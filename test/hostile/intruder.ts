import { spawn } from "node:child_process";
import { once } from "node:events";

/** A user id that owns nothing here: nobody's. */
const otherUid = 65_534;

/** Why no process of another user can be started here; undefined where one can. */
export const cannotIntrude: string | undefined =
  process.getuid?.() === 0 ? undefined : "only root can start a process of another user";

/** What a process of another user gets: for each thing it tries an error's code, or "allowed". */
export async function intrude(tries: {
  read: readonly string[];
  list: readonly string[];
  create: readonly string[];
  connect: readonly string[];
  kill: readonly number[];
}): Promise<Record<string, string>> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    uid: otherUid,
    gid: otherUid,
    cwd: "/",
    env: {},
    stdio: ["pipe", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => void (output += chunk.toString()));
  child.stdin.end(JSON.stringify(tries));
  await once(child, "close");
  return JSON.parse(output);
}

const script = `
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
const tries = JSON.parse(readFileSync(0, "utf8"));
const outcomes = {};
const attempt = (name, act) => {
  try {
    act();
    outcomes[name] = "allowed";
  } catch (error) {
    outcomes[name] = error.code;
  }
};
if (process.getuid() === 0) throw new Error("still root");
for (const path of tries.read) attempt("read " + path, () => readFileSync(path));
for (const path of tries.list) attempt("list " + path, () => readdirSync(path));
for (const path of tries.create) attempt("create " + path, () => writeFileSync(path, "", { flag: "wx" }));
for (const pid of tries.kill) attempt("kill " + pid, () => process.kill(pid, "SIGTERM"));
for (const path of tries.connect) {
  outcomes["connect " + path] = await new Promise((resolve) => {
    const socket = connect(path, () => resolve("allowed"));
    socket.on("error", (error) => resolve(error.code));
  });
}
console.log(JSON.stringify(outcomes));
process.exit();
`;
