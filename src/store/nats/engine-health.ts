import type { StreamInfo } from "@nats-io/jetstream";
import type { StoreServerHealth } from "../../broker/store/store.js";
import type { Link } from "./connect.js";
import { silentServerMs } from "./limits.js";
import type { StreamNames } from "./streams.js";

/** The servers that keep the streams, as their leaders see them. Rejects as the client does where none answers. */
export async function findServers(
  { connection, manager }: Pick<Link, "connection" | "manager">,
  names: StreamNames,
): Promise<StoreServerHealth[]> {
  const infos = await Promise.all(
    Object.values(names).map((name: string) => manager.streams.info(name)),
  );
  return serversOf(infos, connection.info?.server_name ?? "");
}

function serversOf(infos: readonly StreamInfo[], own: string): StoreServerHealth[] {
  const found = new Map<string, StoreServerHealth>();
  const meet = (name: string, seen: { online: boolean; behind: number; leads: string[] }): void => {
    const known = found.get(name);
    found.set(name, {
      name,
      connected: name === own,
      online: (known?.online ?? true) && seen.online,
      behind: Math.max(known?.behind ?? 0, seen.behind),
      leads: [...(known?.leads ?? []), ...seen.leads],
    });
  };
  for (const { config, cluster } of infos) {
    // Alone, a server is no cluster, and decides by itself.
    const leader = cluster === undefined ? own : cluster.leader;
    if (leader !== undefined && leader !== "") {
      meet(leader, { online: true, behind: 0, leads: [config.name] });
    }
    for (const { name, offline = false, active, lag = 0, current } of cluster?.replicas ?? []) {
      // Servers take some minutes to call one that was killed offline. The time is in nanoseconds.
      const isSilent = active > silentServerMs * 1e6;
      // One that is not current may not know by how much it is behind.
      const behind = current ? lag : Math.max(lag, 1);
      meet(name, { online: !offline && !isSilent, behind, leads: [] });
    }
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
