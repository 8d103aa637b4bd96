import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { run } from "./program.js";
import { whyNot } from "./pid-namespace.js";

/** One end of a link: a network of its own, as another computer has one, in the same file system. */
export interface LinkEnd {
  readonly address: string;
  /** The words before a command that is to run there. */
  readonly by: readonly string[];
}

/** Two networks that are joined by one cable, as two computers are. Nothing else leads out of either. */
export class VirtualLink implements AsyncDisposable {
  readonly laptop: LinkEnd;
  readonly desktop: LinkEnd;
  readonly #holders: readonly ChildProcess[];

  static async open(): Promise<VirtualLink> {
    const first = await hold(newNetwork);
    const second = await hold([...entering(first), "unshare", "--net"]);
    const link = new VirtualLink([first, second]);
    const { laptop, desktop } = link;
    await link.#set(laptop, ["add", "cable", "type", "veth", "peer", "name", "far"]);
    await link.#set(laptop, ["set", "far", "netns", `${second.pid}`]);
    await link.#set(desktop, ["set", "far", "name", "cable"]);
    for (const end of [laptop, desktop]) {
      await act(end, "ip", "address", "add", `${end.address}/24`, "dev", "cable");
      for (const device of ["lo", "cable"]) await link.#set(end, ["set", device, "up"]);
    }
    return link;
  }

  private constructor(holders: readonly [ChildProcess, ChildProcess]) {
    this.#holders = holders;
    // Addresses that are kept for documentation.
    this.laptop = { address: "192.0.2.1", by: entering(holders[0]) };
    this.desktop = { address: "192.0.2.2", by: entering(holders[1]) };
  }

  /** What is sent from now on is lost in silence: no connection hears of its end. */
  async cut(): Promise<void> {
    await this.#set(this.laptop, ["set", "cable", "down"]);
  }

  async restore(): Promise<void> {
    await this.#set(this.laptop, ["set", "cable", "up"]);
  }

  async #set(end: LinkEnd, words: readonly string[]): Promise<void> {
    await act(end, "ip", "link", ...words);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const holder of this.#holders) {
      const ended = once(holder, "exit");
      holder.stdin?.end();
      await ended;
    }
  }
}

/** With the rights to set it up, which its user need not have elsewhere. */
const newNetwork = ["unshare", "--map-root-user", "--net"];

/** Why no link can be made here; undefined where one can. */
export const cannotLink: string | undefined = whyNot(
  ...newNetwork,
  "sh",
  "-c",
  "ip link add one type veth peer name two && nsenter --version",
);

/** A process that keeps a network: it ends with its input. */
async function hold([command = "", ...args]: readonly string[]): Promise<ChildProcess> {
  const holder = spawn(command, [...args, "sh", "-c", "echo here && exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  return holder;
}

function entering({ pid }: ChildProcess): string[] {
  return ["nsenter", "--target", `${pid}`, "--user", "--preserve-credentials", "--net"];
}

async function act({ by: [command = "", ...args] }: LinkEnd, ...words: string[]): Promise<void> {
  const { code, stderr } = await run(command, [...args, ...words], { PATH: process.env["PATH"] });
  if (code !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
}
