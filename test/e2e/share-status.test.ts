import { beforeEach, expect, test, vi } from "vitest";
import { TestHome } from "../mcp/test-home.js";
import { eventually } from "../support/test-broker.js";
import { commandOf, openTwoHomes, SharedHome, tryCommand } from "./shared-home.js";

// Each starts several programs.
vi.setConfig({ testTimeout: 90_000 });

let laptop: SharedHome;
let desktop: TestHome;

beforeEach(async () => {
  ({ laptop, desktop } = await openTwoHomes());
});

test("`share --status` says who listens where, who may join, and who is connected, also as JSON", async () => {
  expect(await status()).toMatchObject({ code: 3, json: { running: false, settings: null } });
  const line = await laptop.share();
  await laptop.share("--uses", "3", "--scope", "observe");
  const { address } = laptop;
  expect((await status()).json).toMatchObject({
    running: true,
    settings: { listen: address, address },
    info: {
      listener: { address, advertisedAddress: address },
      enrolments: [
        { scope: "MACHINE_SCOPE_AGENT", usesLeft: 1 },
        { scope: "MACHINE_SCOPE_OBSERVE", usesLeft: 3 },
      ],
      machines: [],
    },
  });
  await commandOf(desktop.path, "join", line, "--name", "desktop");
  const agent = await desktop.start("web");
  await agent.facts("list_peers");
  const { stdout } = await laptop.command("share", "--status");
  expect(stdout).toContain(`${address}, over TLS 1.3`);
  expect(stdout).toMatch(/certificate +good until \S+ \S+, 89 d from now/);
  expect(stdout).toMatch(/authority +sha256:[0-9a-f]{64}/);
  expect(stdout).toMatch(/may join +3 machines of scope observe, until/);
  expect(stdout).toMatch(/connected +desktop \(agent\), 1 connection/);
  // A token is told once.
  expect(JSON.stringify((await status()).json)).not.toContain(/\/([\w-]{43})#/.exec(line)?.[1]);
  expect((await laptop.command("machines")).stdout).toMatch(/desktop +agent +connected/);

  await agent[Symbol.asyncDispose]();
  await eventually(async () =>
    expect((await laptop.command("machines")).stdout).toMatch(/desktop +agent +away/),
  );
  await laptop.command("stop");
  const stopped = await tryCommand(laptop.path, "share", "--status");
  expect(stopped.code).toBe(3);
  expect(stopped.stdout).toContain(`starts it, it listens on ${address}`);
});

test("`--json` without `--status` is a wrong command line", async () => {
  const { code, stderr } = await tryCommand(laptop.path, "share", "--json");
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("--status") });
});

async function status(): Promise<{ code: number | null; json: unknown }> {
  const { code, stdout } = await tryCommand(laptop.path, "share", "--status", "--json");
  return { code, json: JSON.parse(stdout) as unknown };
}
