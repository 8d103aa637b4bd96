import { Chance } from "./chance.js";
import { DriverProcess, type DriverTask, type Outcomes } from "./driver-process.js";
import { maxDriverDeaths } from "./limits.js";

/**
 * Driver processes, one after the other: each is replaced when it has fired its share, and when a signal has
 * ended it. Then the next fires what it left.
 */
export class Drivers implements AsyncDisposable {
  readonly #program: string;
  readonly #task: Omit<DriverTask, "seed">;
  readonly #inputsEach: number;
  /** The n-th driver has the n-th seed. */
  readonly #seeds: Chance;
  readonly #deaths: string[] = [];
  #current: DriverProcess | undefined;
  #started = 0;
  #isOver = false;

  /** @param program as `buildDriver` made it. */
  constructor(program: string, task: DriverTask, inputsEach: number) {
    this.#program = program;
    this.#task = task;
    this.#inputsEach = inputsEach;
    this.#seeds = new Chance(task.seed);
  }

  /** Of the driver that fires now. */
  get pid(): number | undefined {
    return this.#current?.pid;
  }

  get started(): number {
    return this.#started;
  }

  /** What drivers died of, the first first. */
  get deaths(): readonly string[] {
    return this.#deaths;
  }

  /** Resolves when so many inputs are fired and their outcomes told. */
  async fire(inputs: number, onFired: (outcomes: Outcomes) => void): Promise<void> {
    for (let left = inputs; left > 0;) {
      const driver = (this.#current ??= this.#start());
      const before = driver.fired;
      let death = await driver.fire(Math.min(left, this.#inputsEach - before), onFired);
      left -= driver.fired - before;
      if (death === undefined && driver.fired < this.#inputsEach) continue;
      death ??= await driver.release();
      this.#current = undefined;
      if (this.#isOver) throw new Error("the drivers were stopped");
      if (death !== undefined) this.#mourn(death);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#current?.[Symbol.asyncDispose]();
  }

  #start(): DriverProcess {
    this.#started++;
    return new DriverProcess(this.#program, { ...this.#task, seed: this.#seeds.int(2 ** 32) });
  }

  #mourn(death: string): void {
    console.log(`a driver process ended (${death})`);
    this.#deaths.push(death);
    if (this.#deaths.length > maxDriverDeaths) throw new Error("too many drivers died");
  }
}
