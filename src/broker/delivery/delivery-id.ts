/** Which attempt to hand over which message a report is about. */
export interface DeliveryKey {
  readonly peerId: string;
  readonly epoch: number;
  readonly seq: bigint;
  /** Tells attempts of one session apart. */
  readonly attempt: number;
}

const pattern = /^([0-9a-f-]{36})\.(\d{1,15})\.(\d{1,19})\.(\d{1,15})$/;

/** Opaque to clients. It holds the peer, so that a foreign id can never name a delivery of one's own. */
export function formatDeliveryId({ peerId, epoch, seq, attempt }: DeliveryKey): string {
  return `${peerId}.${epoch}.${seq}.${attempt}`;
}

export function parseDeliveryId(deliveryId: string): DeliveryKey | undefined {
  const match = pattern.exec(deliveryId);
  if (match === null) return undefined;
  const [, peerId = "", epoch, seq = "0", attempt] = match;
  return { peerId, epoch: Number(epoch), seq: BigInt(seq), attempt: Number(attempt) };
}
