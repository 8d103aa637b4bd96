import type { JsMsg } from "../follow.js";
import { Follower, replay } from "../follow.js";
import type { ReceiptState } from "../../../../gen/peerline/v1/message_pb.js";
import { isOpen } from "../../stored-message.js";
import type { HistoryTold, Known } from "./history-told.js";
import {
  doubtfulRegister,
  readHead,
  readMessage,
  readRegister,
  readState,
  stateHeader,
  type MailHead,
  type Register,
} from "./mail-record.js";
import type { KeptRegister, MailView } from "./mail-view.js";
import type { OwnMail } from "./own-mail.js";
import type { Barrier } from "./barrier.js";
import type { OpenDelivery } from "./open-mail.js";
import type { OwnPublishes } from "./own-publishes.js";
import type { Engine, Registers } from "./registers.js";

/** What is needed to know of all that is kept. */
interface Kept {
  readonly engine: Engine;
  readonly view: MailView;
  readonly registers: Registers;
  /** Is told of what cannot be read, once, in words. */
  readonly tellDamage: (words: string) => void;
  /** Is told of trouble with the streams, in words. */
  readonly tell: (words: string) => void;
}

interface Parts extends Kept {
  readonly own: OwnMail;
  readonly underWay: OwnPublishes;
  readonly barrier: Barrier;
  /** Is told of deliveries that a reader of this gateway may offer. */
  readonly opened: (delivery: OpenDelivery) => void;
  /** Whether a body is worth keeping for a moment: a reader of this gateway is about to hand it out. */
  readonly reads: (peerId: string) => boolean;
  /** The streams lack what they had: what is known here is wrong from now on. */
  readonly onLost: () => void;
}

/**
 * Reads the heads of all that is kept, and the registers of what is open: some 3.5 s of CPU time for each
 * 100,000 messages. The bodies stay in the engine.
 *
 * @param forgetBeforeMs what was removed before is forgotten: every broker that could hear of it has.
 */
export async function readKept(
  { engine, view, registers, tell, tellDamage }: Kept,
  forgetBeforeMs: number,
): Promise<Known> {
  const { link, names, subjects } = engine;
  // First the receipts: what they do not tell of, later ones will.
  const heard = new Map<number, HeardReceipt>();
  const receipts = await replay(
    { link, stream: names.receipts, after: 0, headersOnly: true },
    (message) => {
      if (message.subject === subjects.receiptBarrier) return;
      const key = subjects.readReceipt(message.subject);
      if (key === undefined) return tellDamage(unreadable(message));
      const state = readState(message.headers?.get(stateHeader) ?? "");
      if (state === undefined) tellDamage(unreadable(message));
      heard.set(key.seq, {
        messageId: key.messageId,
        state: state ?? "unreadable",
        revision: message.seq,
        isOld: message.time.getTime() < forgetBeforeMs,
      });
    },
  );
  const isDoubtful = await lacksReceipts(engine, receipts.lastSeq);
  if (isDoubtful)
    tell(`The stream ${names.receipts} lacks what it had: what was read may come again, marked.`);
  const moved: MailHead[] = [];
  const removed: MailHead[] = [];
  const mail = await replay(
    { link, stream: names.mail, after: 0, headersOnly: true },
    (message) => {
      const head = headOf(engine, message);
      if (head === undefined) return tellDamage(unreadable(message));
      const receipt = heard.get(head.seq);
      const isOwn = receipt?.messageId === head.messageId;
      if (isOwn) heard.delete(head.seq);
      const state = isOwn ? receipt.state : undefined;
      if (state === "removed") removed.push(head);
      else if (state === undefined)
        view.add(head, undefined, isDoubtful ? doubtful(head) : undefined);
      else if (state === "unreadable" || isOpen(state)) moved.push(head);
      else view.addClosed(head);
    },
  );
  for (let index = 0; index < moved.length; index += 100) {
    await Promise.all(
      moved.slice(index, index + 100).map(async (head) => {
        const kept = await registers.readStored(head.to.peerId, head.seq);
        if (kept !== undefined) view.add(head, undefined, kept);
      }),
    );
  }
  // Whoever removed them ended before their messages were deleted.
  for (const head of removed) {
    const kept = await registers.readStored(head.to.peerId, head.seq);
    if (kept === undefined) await registers.deleteMail(head.seq);
    else view.add(head, undefined, kept);
  }
  // Of messages that are gone.
  for (const { isOld, revision } of heard.values()) {
    if (isOld) await registers.deleteReceipt(revision);
  }
  view.passed(mail.lastSeq);
  return { mail: mail.lastSeq, receipts: receipts.lastSeq };
}

/** What the head of a receipt tells. */
interface HeardReceipt {
  readonly messageId: string;
  readonly state: ReceiptState | "removed" | "unreadable";
  readonly revision: number;
  /** Every broker that could hear of it has. */
  readonly isOld: boolean;
}

/** Whether the receipts were removed or made again, since the first message was accepted. */
async function lacksReceipts({ link, names }: Engine, lastSeq: number): Promise<boolean> {
  const [mail, receipts] = await Promise.all(
    [names.mail, names.receipts].map((name) => link.manager.streams.info(name)),
  );
  if (mail === undefined || receipts === undefined || mail.state.messages === 0) return false;
  if (receipts.state.messages > 0) return false;
  return lastSeq > 0 || Date.parse(receipts.created) > Date.parse(mail.state.first_ts);
}

function doubtful(head: MailHead): KeptRegister {
  return { register: doubtfulRegister(head), revision: 0 };
}

/** Follows both streams from there on. */
export function followKept(parts: Parts, from: Known, told: HistoryTold): AsyncDisposable {
  const { engine, view, registers, own, underWay, barrier, reads, opened } = parts;
  const { tell, tellDamage, onLost } = parts;
  const { link, names } = engine;
  const trouble = (stream: string) => ({
    onTrouble: (error: unknown) => tell(`The stream ${stream} is not heard now: ${String(error)}`),
    onLost,
  });

  const mail = new Follower(
    { link, stream: names.mail, after: from.mail },
    (message) => {
      const known = own.takeMessage(message.seq);
      const head = known?.head ?? headOf(engine, message);
      if (head === undefined) tellDamage(unreadable(message));
      else {
        const delivery = view.arrive(head, reads(head.to.peerId) ? message.data : undefined);
        if (!underWay.tell(message.subject, delivery) && delivery !== undefined) opened(delivery);
        told.mail(head, () => known?.message ?? readMessage(message.data));
      }
      view.passed(message.seq);
      underWay.passed(message.seq);
    },
    trouble(names.mail),
  );
  const receipts = new Follower(
    { link, stream: names.receipts, after: from.receipts },
    (message) => {
      const register = own.takeRegister(message.seq) ?? registerOf(engine, message);
      if (register !== undefined) {
        const { peerId, seq } = register.receipt;
        const kept = { register, revision: message.seq };
        if (!view.hear(peerId, seq, kept))
          registers.reopen(seq).catch(trouble(names.mail).onTrouble);
        told.move(kept);
      } else if (message.subject !== barrier.subject) tellDamage(unreadable(message));
      barrier.reach(message.seq);
    },
    trouble(names.receipts),
  );
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all([mail[Symbol.asyncDispose](), receipts[Symbol.asyncDispose]()]);
    },
  };
}

function headOf({ subjects }: Engine, message: JsMsg): MailHead | undefined {
  const { subject, seq, headers, data } = message;
  // Of one that comes without its body, the engine tells the size.
  const sizeBytes = Number(headers?.get("Nats-Msg-Size")) || data.byteLength;
  return readHead(subjects, {
    subject,
    seq,
    sizeBytes,
    header: (name) => headers?.get(name) ?? "",
  });
}

/** Undefined where it cannot be read, or is another's than its subject says. */
function registerOf({ subjects }: Engine, { subject, data }: JsMsg): Register | undefined {
  const key = subjects.readReceipt(subject);
  const register = readRegister(data);
  const isWhole =
    register?.receipt.seq === key?.seq &&
    register?.receipt.peerId === key?.to &&
    register?.messageId === key?.messageId;
  return isWhole ? register : undefined;
}

function unreadable({ seq, info }: JsMsg): string {
  return `Message ${seq} of the stream ${info.stream} cannot be read, and is passed over.`;
}
