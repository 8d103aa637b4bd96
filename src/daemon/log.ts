import { pino, stdTimeFunctions, type Logger } from "pino";
import { maxLogBytes } from "./limits.js";
import { LogFile } from "./log-file.js";
import { redact } from "./redact.js";

/** The broker's log: JSON lines without anyone's secrets or messages. */
export interface Log extends Disposable {
  readonly logger: Logger;
}

export function openLog(path: string): Log {
  const file = new LogFile(path, maxLogBytes);
  const logger = pino(
    {
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      serializers: { err: (error: unknown) => error },
      formatters: { level: (level) => ({ level }), log: redact },
    },
    file,
  );
  return { logger, [Symbol.dispose]: () => file[Symbol.dispose]() };
}
