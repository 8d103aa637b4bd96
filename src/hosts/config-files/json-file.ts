import { isDeepStrictEqual } from "node:util";
import type { Node } from "jsonc-parser";
import type { Before } from "./config-change.js";
import { HostError } from "./host-error.js";
import {
  isElement,
  memberOf,
  parseDocument,
  propertyOf,
  propertyValue,
  valueOf,
  withoutMember,
  type JsonDialect,
  type JsonDocument,
  type JsonMember,
  type JsonPart,
} from "./json-document.js";
import {
  appendElement,
  cutMember,
  insertMember,
  layoutOf,
  lineIndentOf,
  render,
} from "./json-text.js";

/** A JSON file of a host, in which single members are read and changed while all else keeps its bytes. */
export class JsonFile {
  readonly #path: string;
  readonly #dialect: JsonDialect;

  constructor(path: string, dialect: JsonDialect) {
    this.#path = path;
    this.#dialect = dialect;
  }

  /** What stands in the member's place; undefined where nothing does. */
  read(text: string | undefined, member: JsonMember): unknown {
    const document = this.#parse(text ?? "");
    return memberOf(valueOf(document.root), member);
  }

  /** The text with the member in it, in the place of what has its name. */
  put(text: string | undefined, member: JsonMember): string {
    const document = this.#parse(text ?? "");
    if (isDeepStrictEqual(memberOf(valueOf(document.root), member), member.value))
      return text ?? "";
    const { container, missing } = this.#descend(document, member);
    const present = missing.length === 0 ? findNode(container, member) : undefined;
    const after =
      present === undefined
        ? insert(document, container, missing, member)
        : replaceNode(document, present, member.value);
    this.#check(document, after, member, member.value);
    return finish(text, after);
  }

  /** The text without the member; undefined where the file held nothing else and was not there before. */
  remove(text: string, member: JsonMember, before: Before): string | undefined {
    const document = this.#parse(text);
    const past = before === undefined ? undefined : valueOf(this.#parse(before ?? "").root);
    const { container, missing } = this.#descend(document, member);
    const present = missing.length === 0 ? findNode(container, member) : undefined;
    if (present === undefined) return text;
    let after = cutMember(document, container, memberNode(present, member));
    this.#check(document, after, member, undefined);
    if (past !== undefined) after = this.#cutEmptied(after, member.within, past);
    return before === null && after.trim() === "{}" ? undefined : finish(text, after);
  }

  /** The text with another value for a part of the member, or without it; the member's other parts keep their bytes. */
  putPart(text: string, member: JsonMember, { list, value, isPart }: JsonPart): string {
    const document = this.#parse(text);
    const expected = valueOf(document.root);
    const values = (memberOf(expected, member) as Record<string, unknown> | undefined)?.[list];
    const { container } = this.#descend(document, member);
    const held = findNode(container, member);
    const nodes = held === undefined ? undefined : propertyValue(held, list);
    const part = nodes?.children?.find((node) => isPart(valueOf(node)));
    if (!Array.isArray(values) || nodes === undefined || part === undefined) return text;
    if (isDeepStrictEqual(valueOf(part), value)) return text;
    const isCut = value === undefined;
    const after = isCut ? cutMember(document, nodes, part) : replaceNode(document, part, value);
    values.splice(values.findIndex(isPart), 1, ...(isCut ? [] : [value]));
    if (!isDeepStrictEqual(valueOf(this.#parse(after).root), expected)) throw this.#uneditable();
    return finish(text, after);
  }

  /** The text without those objects around the member that are empty now and were not there before. */
  #cutEmptied(text: string, names: readonly string[], past: unknown): string {
    const after = names.length === 0 ? undefined : cutEmptied(this.#parse(text), names, past);
    return after === undefined ? text : this.#cutEmptied(after, names.slice(0, -1), past);
  }

  #parse(text: string): JsonDocument {
    return parseDocument(this.#path, text.replace(byteOrderMark, ""), this.#dialect);
  }

  /** The innermost object or array on the way to the member, and the names that are not there yet. */
  #descend(document: JsonDocument, { within, name }: JsonMember) {
    let container = document.root;
    for (const [index, key] of within.entries()) {
      const next = propertyValue(container, key);
      if (next === undefined) return { container, missing: within.slice(index) };
      const type = name === undefined && index === within.length - 1 ? "array" : "object";
      if (next.type !== type) {
        const what = `"${within.slice(0, index + 1).join(".")}" is not an ${type}`;
        throw this.#unexpected(`In ${document.path} ${what}.`);
      }
      container = next;
    }
    return { container, missing: [] };
  }

  /** The edited text has to say what it said before, except for the member. */
  #check(document: JsonDocument, after: string, member: JsonMember, value: unknown): void {
    const past = valueOf(document.root);
    const present = valueOf(this.#parse(after).root);
    if (!isDeepStrictEqual(memberOf(present, member), value)) throw this.#uneditable();
    if (!isDeepStrictEqual(withoutMember(present, member), withoutMember(past, member)))
      throw this.#uneditable();
  }

  #uneditable(): HostError {
    return this.#unexpected(`${this.#path} has the same name twice in one object.`);
  }

  #unexpected(what: string): HostError {
    return new HostError("CONFIG_UNEXPECTED", `${what} The file was left as it is.`);
  }
}

const byteOrderMark = /^\uFEFF/;

function finish(text: string | undefined, after: string): string {
  const mark = text !== undefined && byteOrderMark.test(text) ? "\uFEFF" : "";
  const end = text === undefined && !after.endsWith("\n") ? "\n" : "";
  return mark + after + end;
}

/** What goes into the container: the member, in as many new objects as are missing around it. */
function nest(missing: readonly string[], { name, value }: JsonMember) {
  const inner = name === undefined ? [value] : { [name]: value };
  const [outermost] = missing;
  if (outermost === undefined) return { name, value };
  const nested = missing.slice(1).reduceRight<unknown>((held, key) => ({ [key]: held }), inner);
  return { name: outermost, value: nested };
}

/** An element comes last: hosts know the others by their places. */
function insert(
  document: JsonDocument,
  container: Node,
  missing: readonly string[],
  member: JsonMember,
): string {
  const last = container.children?.at(-1);
  return missing.length > 0 || member.name !== undefined || last === undefined
    ? insertMember(document, container, nest(missing, member))
    : appendElement(document, last, member.value);
}

/** The node of the member's value. */
function findNode(container: Node, member: JsonMember): Node | undefined {
  if (member.name !== undefined) return propertyValue(container, member.name);
  return container.children?.find((element) => isElement(member, valueOf(element)));
}

/** The node that holds the member: its property, or the element itself. */
function memberNode(value: Node, { name }: JsonMember): Node {
  return name === undefined ? value : (value.parent ?? value);
}

function replaceNode({ text, root }: JsonDocument, node: Node, value: unknown): string {
  const rendered = render(value, lineIndentOf(text, node.offset), layoutOf(text, root));
  return text.slice(0, node.offset) + rendered + text.slice(node.offset + node.length);
}

/** The text without an object or array that is empty now and was not there before; undefined where that is not so. */
function cutEmptied(
  document: JsonDocument,
  names: readonly string[],
  past: unknown,
): string | undefined {
  const parent = names
    .slice(0, -1)
    .reduce<Node | undefined>(
      (node, name) => (node === undefined ? undefined : propertyValue(node, name)),
      document.root,
    );
  const name = names.at(-1) ?? "";
  const property = parent === undefined ? undefined : propertyOf(parent, name);
  const emptied = property?.children?.[1];
  if (parent === undefined || property === undefined || emptied === undefined) return undefined;
  const inside = document.text.slice(emptied.offset + 1, emptied.offset + emptied.length - 1);
  const within = names.slice(0, -1);
  if (inside.trim() !== "" || memberOf(past, { within, name, value: undefined }) !== undefined) {
    return undefined;
  }
  return cutMember(document, parent, property);
}
