/** The metadata that carries the credential of a machine, with each call over TLS. */
export const machineHeader = "peerline-machine";

/** A credential or a token of enrolment: 32 random bytes in base64url. */
export const secretForm = /^[A-Za-z0-9_-]{43}$/;

/** The line with which another machine joins. */
export interface JoinLine {
  /** `host:port`. */
  readonly address: string;
  readonly token: string;
  /** Of the broker's certificate authority: SHA-256 of its DER, lower-case hex. */
  readonly caHash: string;
}

export function formatJoinLine({ address, token, caHash }: JoinLine): string {
  return `peerline://${address}/${token}#sha256:${caHash}`;
}

/** Undefined where the text is no such line. The address is not looked into. */
export function readJoinLine(text: string): JoinLine | undefined {
  const [, address, token, caHash] =
    /^peerline:\/\/([^/#\s]{3,300})\/([\w-]{43})#sha256:([0-9a-f]{64})$/.exec(text.trim()) ?? [];
  if (address === undefined || token === undefined || caHash === undefined) return undefined;
  return { address, token, caHash };
}
