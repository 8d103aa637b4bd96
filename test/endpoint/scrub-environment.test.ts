import { expect, test } from "vitest";
import { scrubEnvironment } from "../../src/endpoint/scrub-environment.js";

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
