import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Agent, AgentOptions } from "../mcp/agent.js";
import { TestHome } from "../mcp/test-home.js";
import { program, run } from "../support/program.js";
import type { LinkEnd } from "../support/virtual-link.js";

/** A home whose programs run at one end of a link. */
export class LinkedHome extends TestHome {
  readonly #end: LinkEnd;

  static async at(end: LinkEnd): Promise<LinkedHome> {
    return new LinkedHome(await mkdtemp(join(tmpdir(), "pl-")), end);
  }

  private constructor(path: string, end: LinkEnd) {
    super(path);
    this.#end = end;
  }

  override async start(name: string, options: Partial<AgentOptions> = {}): Promise<Agent> {
    return super.start(name, { ...options, by: this.#end.by });
  }

  /** Shares its broker, and has the other home join that. */
  async shareWith(other: LinkedHome): Promise<void> {
    const line = /'(.*)'/.exec(await this.command("share"))?.[1];
    if (line === undefined) throw new Error("no line to join with");
    await other.command("join", line);
  }

  /** Runs a command of this home, which has to succeed. */
  async command(...args: string[]): Promise<string> {
    const [command = "", ...by] = this.#end.by;
    const env = { PATH: process.env["PATH"], HOME: this.path, PEERLINE_HOME: this.path };
    const { code, stdout, stderr } = await run(
      command,
      [...by, process.execPath, program, ...args],
      env,
    );
    if (code !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
    return stdout;
  }
}
