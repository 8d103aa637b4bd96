import { execFileSync } from "node:child_process";

/** Runs git in a folder, with no setting of whoever runs the tests, and not in the repository that a hook names. */
export function git(cwd: string, ...args: readonly string[]): void {
  const identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
  const env = {
    PATH: process.env["PATH"],
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
  };
  execFileSync("git", [...identity, ...args], { cwd, env, stdio: "ignore" });
}
