import { expect, test } from "vitest";
import { serverCommand } from "../../../src/hosts/config-files/server-entry.js";

test("the command has absolute paths", () => {
  expect(serverCommand("/usr/bin/node", "/opt/peerline/dist/peerline.js")).toEqual({
    command: "/usr/bin/node",
    args: ["/opt/peerline/dist/peerline.js", "mcp"],
  });
});

test.each([
  "/home/ada/.npm/_npx/1f2e3d/node_modules/peerline/dist/peerline.js",
  "/home/ada/.cache/pnpm/dlx/4c1b/node_modules/peerline/dist/peerline.js",
  "/tmp/xfs-1a2b/dlx-77/node_modules/peerline/dist/peerline.js",
  "/tmp/bunx-1000-peerline@latest/node_modules/peerline/dist/peerline.js",
])("a program that will be deleted is refused: %s", (program) => {
  const refused = expect.objectContaining({ code: "PROGRAM_FLEETING" });
  expect(() => serverCommand("/usr/bin/node", program)).toThrow(refused);
  expect(() => serverCommand(program, "/opt/peerline/dist/peerline.js")).toThrow(refused);
});
