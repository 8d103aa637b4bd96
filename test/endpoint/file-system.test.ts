import { expect, test } from "vitest";
import { fileSystemOf, isForeign, mountAt } from "../../src/endpoint/file-system.js";

const mounts = `
21 1 254:0 / / rw,relatime - ext4 /dev/root rw
40 21 0:35 / /home rw,relatime shared:1 - nfs4 server:/home rw,vers=4.2
41 40 0:36 / /home/ann/my\\040share rw - cifs //server/share rw
42 40 0:37 / /home/ann/my\\040share rw - virtiofs over rw
`;

test.each([
  ["/var/lib", "ext4"],
  ["/", "ext4"],
  ["/home", "nfs4"],
  ["/homes/ann", "ext4"],
  ["/home/ann/.peerline", "nfs4"],
  ["/home/ann/my share/x", "virtiofs"],
])("%s is on %s", (path, type) => {
  expect(mountAt(path, mounts).type).toBe(type);
});

test("nothing is said of a path that is not there", () => {
  expect(fileSystemOf("/no/such/path")).toBe("");
});

test.runIf(process.platform === "linux")("a file system of this machine has a name", () => {
  expect(fileSystemOf("/proc")).toBe("proc");
});

test.each([
  [{ place: "/home", type: "nfs4" }, true],
  [{ place: "/", type: "nfs" }, true],
  [{ place: "/mnt/share", type: "cifs" }, true],
  [{ place: "/home/ann/remote", type: "fuse.sshfs" }, true],
  [{ place: "/home/ann/.peerline", type: "virtiofs" }, true],
  [{ place: "/", type: "virtiofs" }, false],
  [{ place: "/", type: "9p" }, false],
  [{ place: "/", type: "overlay" }, false],
  [{ place: "/home/ann/secret", type: "fuse.gocryptfs" }, false],
  [{ place: "", type: "" }, false],
])("another kernel may write to %j: %s", (mount, expected) => {
  expect(isForeign(mount)).toBe(expected);
});
