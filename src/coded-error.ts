/**
 * An error with a closed set of codes, each explained where its class is. The message is whole sentences
 * for people: what is wrong, and how to fix it.
 */
export abstract class CodedError<Code extends string> extends Error {
  constructor(
    readonly code: Code,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
