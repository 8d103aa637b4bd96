import { realpathSync } from "node:fs";
import type { StorageTrouble } from "./endpoint-error.js";
import { readKernelLine } from "./process-stamp.js";

/** The file system that a path is on, for people: `nfs4`; empty where the system does not tell. */
export function fileSystemOf(path: string): string {
  try {
    return mountOf(path).type;
  } catch {
    // There is no such path.
    return "";
  }
}

/** Why no broker may serve a home, by the file system that it is on; undefined where one may. */
export function foreignHome(path: string): StorageTrouble | undefined {
  const mount = mountOf(path);
  if (!isForeign(mount)) return undefined;
  return {
    what: `is on a file system that other machines may use (${mount.type}), where locks and sockets do not reach all of them`,
    fix: "Set PEERLINE_HOME to a directory on a local disk, and let the other machines join with `peerline share`",
  };
}

/**
 * Whether another kernel may write to a file system: that of another computer, or of the machine around this virtual
 * one. The locks of one kernel then need not hold in the other, and a socket does not reach across.
 */
export function isForeign({ place, type }: Mount): boolean {
  // Some sandboxes have all of their own files on a lent one.
  return foreign.has(type) || (lent.has(type) && place !== "/");
}

const foreign: ReadonlySet<string> = new Set(
  (
    "nfs nfs4 cifs smb3 smbfs afs ceph lustre gpfs beegfs davfs vboxsf prl_fs vmhgfs fuse.sshfs fuse.glusterfs " +
    "fuse.ceph fuse.rclone fuse.s3fs fuse.gcsfuse fuse.juicefs fuse.davfs fuse.grpcfuse fuse.osxfs fuse.vmhgfs-fuse"
  ).split(" "),
);

const lent: ReadonlySet<string> = new Set(["9p", "virtiofs"]);

function mountOf(path: string): Mount {
  return mountAt(realpathSync(path), readKernelLine("/proc/self/mountinfo") ?? "");
}

interface Mount {
  /** Where it begins; empty where the system does not tell. */
  readonly place: string;
  readonly type: string;
}

/** Of the mounts that a path lies in the innermost counts, and of those in one place the last. */
export function mountAt(path: string, mounts: string): Mount {
  let innermost = { place: "", type: "" };
  for (const line of mounts.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const place = unescape(before.split(" ")[4] ?? "");
    const isAround = path === place || path.startsWith(place === "/" ? "/" : `${place}/`);
    if (place === "" || !isAround || place.length < innermost.place.length) continue;
    innermost = { place, type: after.split(" ")[0] ?? "" };
  }
  return innermost;
}

/** Spaces and the like stand there as octal numbers. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
