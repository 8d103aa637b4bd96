import { clientProcesses, requestBytes, sendersOfProcess } from "./limits.js";
import { LoadProcess } from "./load-process.js";
import { rateOf, type Timing } from "./timing.js";

/** Some processes of clients that work at the same time. */
export class LoadFleet implements AsyncDisposable {
  readonly processes: readonly LoadProcess[];

  constructor(node: string) {
    this.processes = Array.from({ length: clientProcesses }, () => new LoadProcess(node));
  }

  /** Does something in each process; the number is that of the process. */
  all<Value>(act: (process: LoadProcess, index: number) => Promise<Value>): Promise<Value[]> {
    return Promise.all(this.processes.map(act));
  }

  /** What comes from now on counts for `expect`. */
  async mark(): Promise<void> {
    await this.all((process) => process.do("mark", {}));
  }

  /** Calls a second of the bare server, with as many at the same time as there are senders. */
  async echo(address: string, count: number): Promise<number> {
    const of = {
      address,
      bytes: requestBytes,
      count: count / clientProcesses,
      inFlight: sendersOfProcess,
    };
    const timings: Timing[] = await this.all((process) => process.do("echo", of));
    return rateOf(count, timings);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.all((process) => process[Symbol.asyncDispose]());
  }
}

/** Names such as `sender-2-0`, numbered within a process of clients. */
export function namesOf(role: string, process: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${role}-${process}-${index}`);
}
