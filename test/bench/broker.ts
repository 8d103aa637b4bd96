import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { sleep } from "../../src/clock.js";
import { BareClient } from "./bare-client.js";
import { brokerPid } from "./bench-peer.js";
import type { Build } from "./build.js";
import { endLimitMs } from "./limits.js";
import { nowMs } from "./timing.js";

/** A broker in a home of its own, started as users get theirs: by a command that needs one. */
export class BenchBroker implements AsyncDisposable {
  readonly build: Build;
  readonly home: string;
  readonly address: string;
  readonly pid: number;

  private constructor(build: Build, home: string, pid: number) {
    this.build = build;
    this.home = home;
    this.address = addressOf(home);
    this.pid = pid;
  }

  static async start(build: Build, home: string, node: string): Promise<BenchBroker> {
    const command = [build.program, "read"];
    await promisify(execFile)(node, command, { env: environmentOf(home), cwd: home });
    const client = new BareClient(addressOf(home));
    try {
      return new BenchBroker(build, home, await brokerPid(client));
    } finally {
      client.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.pid);
  }
}

/** How long a broker takes from the start of its process until it answers; it is ended then. */
export async function timeStart(build: Build, home: string, node: string): Promise<number> {
  const beginMs = nowMs();
  const broker = spawn(node, [build.program, "broker"], {
    env: environmentOf(home),
    cwd: home,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(broker, "exit");
  try {
    let words = "";
    // Its first words say that it listens.
    for await (const chunk of broker.stderr) {
      words += String(chunk);
      if (words.includes("broker.sock")) break;
    }
    if (!words.includes("broker.sock")) throw new Error(`the broker did not start: ${words}`);
    return nowMs() - beginMs;
  } finally {
    broker.kill("SIGTERM");
    await ended;
  }
}

/** The whole environment of a program that is to use a home. */
export function environmentOf(home: string): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: home, PEERLINE_HOME: home };
}

function addressOf(home: string): string {
  return `unix:${join(home, "broker.sock")}`;
}

/** Ends a process that is no child of this one, and waits until it is gone. */
async function endProcess(pid: number): Promise<void> {
  const limitMs = nowMs() + endLimitMs;
  process.kill(pid, "SIGTERM");
  while (existsSync(`/proc/${pid}`)) {
    if (nowMs() > limitMs) return void process.kill(pid, "SIGKILL");
    await sleep(20);
  }
}
