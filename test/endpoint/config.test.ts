import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  readConfig,
  readUserPlaces,
  scrubEnvironment,
  type UserPlaces,
} from "../../src/endpoint/config.js";
import { EndpointError } from "../../src/endpoint/endpoint-error.js";
import { claudeCode } from "../../src/hosts/claude-code/host.js";
import { codex } from "../../src/hosts/codex/host.js";
import { geminiCli } from "../../src/hosts/gemini-cli/host.js";

describe("the home", () => {
  test("is .peerline in the user's home directory", () => {
    const config = readConfig({});
    expect(config.home).toBe(join(homedir(), ".peerline"));
    expect(config.endpoint).toBe(`unix:${join(homedir(), ".peerline", "broker.sock")}`);
    expect(config.ownsBroker).toBe(true);
  });

  test("follows neither XDG variables nor TMPDIR", () => {
    const xdg = { XDG_RUNTIME_DIR: "/x", XDG_STATE_HOME: "/y", XDG_DATA_HOME: "/z", TMPDIR: "/t" };
    expect(readConfig(xdg).home).toBe(readConfig({}).home);
  });

  test("is PEERLINE_HOME where that is given", () => {
    const config = readConfig({ PEERLINE_HOME: "/srv/agents/" });
    expect(config.home).toBe("/srv/agents");
    expect(config.endpoint).toBe("unix:/srv/agents/broker.sock");
  });

  test.each(["agents", "~/agents", "./agents"])("is refused when relative: %s", (home) => {
    expect(() => readConfig({ PEERLINE_HOME: home })).toThrow(
      expect.objectContaining({
        code: "CONFIG_INVALID",
        message: expect.stringContaining("PEERLINE_HOME"),
      }),
    );
  });
});

describe("the name", () => {
  test("is PEERLINE_NAME", () => {
    expect(readConfig({ PEERLINE_NAME: "api-2" }).name).toEqual({
      name: "api-2",
      written: "api-2",
    });
  });

  test("is undefined when the variable is absent or empty", () => {
    expect(readConfig({}).name).toBeUndefined();
    expect(readConfig({ PEERLINE_NAME: "" }).name).toBeUndefined();
  });

  test.each(["API", "-api", "a b", "a@b", "a".repeat(41)])("is normalised: %s", (written) => {
    expect(readConfig({ PEERLINE_NAME: written }).name).toEqual({
      name: expect.stringMatching(/^[a-z0-9][a-z0-9._-]{0,39}$/),
      written,
    });
  });

  test.each([
    ["Sy.stem", "sy.stem"],
    ["???", undefined],
  ])("that can be nobody's fails nothing: %s", (written, reserved) => {
    const problem = expect.stringContaining("");
    expect(readConfig({ PEERLINE_NAME: written }).name).toEqual({ problem, written, reserved });
  });
});

describe("the endpoint", () => {
  test.each(["unix:/run/peerline.sock", "unix:///run/peerline.sock"])(
    "is PEERLINE_BROKER, for which no broker is started: %s",
    (endpoint) => {
      const config = readConfig({ PEERLINE_BROKER: endpoint });
      expect(config.endpoint).toBe("unix:/run/peerline.sock");
      expect(config.ownsBroker).toBe(false);
    },
  );

  test.each([
    "tcp:localhost:7000",
    "http://localhost",
    "unix:relative.sock",
    "unix:",
    "/run/x.sock",
  ])("is refused with the variable's name: %s", (endpoint) => {
    expect(() => readConfig({ PEERLINE_BROKER: endpoint })).toThrow(EndpointError);
    expect(() => readConfig({ PEERLINE_BROKER: endpoint })).toThrow(/PEERLINE_BROKER/);
  });

  test("is refused when its path would be cut off", () => {
    const endpoint = `unix:/${"s".repeat(103)}`;
    expect(() => readConfig({ PEERLINE_BROKER: endpoint })).toThrow(
      expect.objectContaining({ code: "SOCKET_PATH_TOO_LONG" }),
    );
  });
});

test("passes the host's session on", () => {
  const { hostVariable } = readConfig({ CLAUDE_CODE_SESSION_ID: "0b5e", OTHER: "" });
  expect(hostVariable("CLAUDE_CODE_SESSION_ID")).toBe("0b5e");
  expect(hostVariable("OTHER")).toBeUndefined();
});

test("agents keep their settings where their own variables say, else in the user's home", () => {
  const usual = readUserPlaces({ PATH: "/usr/bin:relative::/opt/bin" });
  expect(usual).toMatchObject({
    home: homedir(),
    programs: ["/usr/bin", "/opt/bin"],
  });
  expect(tracesOf(usual)).toEqual([
    join(homedir(), ".claude"),
    join(homedir(), ".codex"),
    join(homedir(), ".gemini"),
  ]);
  const moved = readUserPlaces({
    CLAUDE_CONFIG_DIR: "/c",
    CODEX_HOME: "/x",
    GEMINI_CLI_HOME: "/g",
    XDG_CONFIG_HOME: "/s",
  });
  expect(moved.settings).toBe("/s");
  expect(tracesOf(moved)).toEqual(["/c", "/x", "/g/.gemini"]);
  const unset = readUserPlaces({ CLAUDE_CONFIG_DIR: "", XDG_CONFIG_HOME: "s" });
  expect(unset.settings).toBe(usual.settings);
  expect(tracesOf(unset)).toEqual(tracesOf(usual));
});

function tracesOf(places: UserPlaces) {
  return [claudeCode, codex, geminiCli].map((host) => host.traces(places)[0]);
}

test("passes on who and where the user is, the language and the time zone", () => {
  const env = { HOME: "/h", USER: "u", PATH: "/bin", LANG: "C.UTF-8", LC_TIME: "de_DE", TZ: "UTC" };
  expect(scrubEnvironment(env)).toEqual(env);
});

test("keeps back keys, the host's session, and what would change the runtime", () => {
  const env = {
    ANTHROPIC_API_KEY: "sk",
    OPENAI_API_KEY: "sk",
    GITHUB_TOKEN: "gh",
    CLAUDE_CODE_SESSION_ID: "s",
    CLAUDE_CODE_MESSAGING_TOKEN: "t",
    NODE_OPTIONS: "--inspect",
    TMPDIR: "/tmp/session",
    PEERLINE_NAME: "api",
    HTTP_PROXY: "http://user:password@proxy",
    LCD: "not a locale",
  };
  expect(scrubEnvironment(env)).toEqual({});
});

test("leaves out variables without a value", () => {
  expect(scrubEnvironment({ HOME: undefined })).toEqual({});
});
