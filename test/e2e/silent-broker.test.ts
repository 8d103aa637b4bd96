import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { TestHome } from "../mcp/test-home.js";
import { program, run } from "../support/program.js";
import { SilentPort } from "../support/silent-port.js";
import { commandOf, SharedHome } from "./shared-home.js";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

/** A process that waited for the system to give up a connection would need 127 s and more. */
const boundMs = 60_000;

describe.skipIf(process.platform !== "linux")("beside an address that never answers", () => {
  let laptop: SharedHome;
  let desktop: TestHome;
  let silent: SilentPort;

  beforeAll(async () => {
    laptop = await SharedHome.open();
    desktop = await TestHome.open();
    silent = await SilentPort.open();
    await commandOf(desktop.path, "join", await laptop.share());
  });
  afterAll(async () => {
    await silent[Symbol.asyncDispose]();
    await desktop[Symbol.asyncDispose]();
    await laptop[Symbol.asyncDispose]();
  });

  /** Runs Node on a desktop that looks for its broker at these places in turn. */
  const node = (args: string[], ...places: string[]) =>
    run(process.execPath, args, {
      PATH: process.env["PATH"],
      HOME: desktop.path,
      PEERLINE_HOME: desktop.path,
      PEERLINE_BROKER: places.join(","),
    });
  const off = () => `tls:127.0.0.1:${silent.port}`;

  test("a command ends with its answer or its error, and does not wait for the connection", async () => {
    const startedMs = performance.now();
    const [alone, beside] = await Promise.all([
      node([program, "peers"], off()),
      node([program, "peers"], off(), `tls:${laptop.address}`),
    ]);
    expect(performance.now() - startedMs).toBeLessThan(boundMs);
    expect(alone).toMatchObject({ code: 3, stderr: expect.stringContaining(off()) });
    expect(beside).toMatchObject({ code: 0 });
  });

  test("a program of the library ends by itself when it has closed its line", async () => {
    const startedMs = performance.now();
    const { code, stdout } = await node(
      ["--input-type=module", "-e", bot],
      off(),
      `tls:${laptop.address}`,
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: "bot\n" });
    expect(performance.now() - startedMs).toBeLessThan(boundMs);
  });
});

const library = pathToFileURL(join(program, "../index.js")).href;
const bot = `
  const { connect } = await import(${JSON.stringify(library)});
  const line = await connect({ name: "bot" });
  console.log(line.peer.name);
  await line.close();`;
