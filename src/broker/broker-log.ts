/** Where the broker writes what an operator should know. Never text of messages, secrets or tokens. */
export interface BrokerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
