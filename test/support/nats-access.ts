import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { nkeys, type ConnectionOptions } from "@nats-io/nats-core";
import { credsAuthenticator, nkeyAuthenticator } from "@nats-io/transport-node";
import { issueTestCertificate, type TestAuthority } from "./test-authority.js";

/** Who is let in: by a password, by a key of its own, or by a credentials file that an operator's account signed. */
export type NatsAuthentication =
  | { readonly by: "password"; readonly user: string; readonly password: string }
  | { readonly by: "nkey" }
  | { readonly by: "credentials" };

/** How links to clients are encrypted; clients show a certificate of the authority too where that is asked. */
export interface NatsTls {
  readonly authority: TestAuthority;
  readonly verifiesClients?: boolean;
}

/** What a server is configured with, and what a client brings. */
export interface NatsAccess {
  readonly lines: readonly string[];
  readonly client: ConnectionOptions;
  /** What a user would write into files of their own, and name in a configuration. */
  readonly files: NatsAccessFiles;
}

/** Paths; absent where nothing needs them. */
export interface NatsAccessFiles {
  readonly seed?: string;
  readonly credentials?: string;
  readonly ca?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
}

/** @param folder where the files are put. */
export async function makeNatsAccess(
  folder: string,
  options: { authentication?: NatsAuthentication; tls?: NatsTls },
): Promise<NatsAccess> {
  const parts = [
    options.authentication === undefined ? undefined : letIn(folder, options.authentication),
    options.tls === undefined ? undefined : await encrypt(folder, options.tls),
  ].filter((part) => part !== undefined);
  return {
    lines: parts.flatMap(({ lines }) => lines),
    client: Object.assign({}, ...parts.map(({ client }) => client)) as ConnectionOptions,
    files: Object.assign({}, ...parts.map(({ files }) => files)) as NatsAccessFiles,
  };
}

function letIn(folder: string, authentication: NatsAuthentication): NatsAccess {
  switch (authentication.by) {
    case "password": {
      const { user, password } = authentication;
      return {
        lines: [`authorization { user: ${quote(user)}, password: ${quote(password)} }`],
        client: { user, pass: password },
        files: {},
      };
    }
    case "nkey": {
      const pair = nkeys.createUser();
      const seed = join(folder, "user.nk");
      writeFileSync(seed, pair.getSeed(), { mode: 0o600 });
      return {
        lines: [`authorization { users: [{ nkey: ${pair.getPublicKey()} }] }`],
        client: { authenticator: nkeyAuthenticator(pair.getSeed()) },
        files: { seed },
      };
    }
    case "credentials":
      return signedCredentials(folder);
  }
}

/** An operator with two accounts, one of them the system's, and a user of the other. */
function signedCredentials(folder: string): NatsAccess {
  const operator = nkeys.createOperator();
  const [account, system] = [nkeys.createAccount(), nkeys.createAccount()];
  const user = nkeys.createUser();
  const limits = { subs: -1, data: -1, payload: -1, conn: -1, leaf: -1, wildcards: true };
  const stores = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const accountToken = signClaims(operator, account, {
    type: "account",
    version: 2,
    limits: { ...limits, ...stores },
  });
  const systemToken = signClaims(operator, system, { type: "account", version: 2, limits });
  const userToken = signClaims(account, user, { type: "user", version: 2, ...limits });
  const systemAccount = system.getPublicKey();
  const operatorToken = signClaims(operator, operator, {
    type: "operator",
    version: 2,
    system_account: systemAccount,
  });
  const seed = Buffer.from(user.getSeed()).toString();
  const text = `-----BEGIN NATS USER JWT-----
${userToken}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`;
  const credentials = join(folder, "user.creds");
  writeFileSync(credentials, text, { mode: 0o600 });
  return {
    lines: [
      `operator: ${operatorToken}`,
      "resolver: MEMORY",
      "resolver_preload {",
      `  ${account.getPublicKey()}: ${accountToken}`,
      `  ${systemAccount}: ${systemToken}`,
      "}",
    ],
    client: { authenticator: credsAuthenticator(new TextEncoder().encode(text)) },
    files: { credentials },
  };
}

/** A token in the form of NATS: what `issuer` says of `subject`, signed with its key. */
function signClaims(issuer: nkeys.KeyPair, subject: nkeys.KeyPair, nats: object): string {
  const claims = {
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name: "tests",
    sub: subject.getPublicKey(),
    nats,
  };
  const jti = createHash("sha512-256").update(JSON.stringify(claims)).digest("hex");
  const signed = [
    { typ: "JWT", alg: "ed25519-nkey" },
    { ...claims, jti },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  const signature = issuer.sign(new TextEncoder().encode(signed));
  return `${signed}.${Buffer.from(signature).toString("base64url")}`;
}

async function encrypt(
  folder: string,
  { authority, verifiesClients }: NatsTls,
): Promise<NatsAccess> {
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  // The client compares with "localhost" where it was given an address of IP.
  const names = ["127.0.0.1", "localhost"];
  const server = await issueTestCertificate(authority, { usage: "server", names });
  const certificate = write("server.crt", server.certificate);
  const key = write("server.key", server.key);
  const ca = write("ca.crt", authority.pem);
  const verify = verifiesClients === true ? `, ca_file: ${quote(ca)}, verify: true` : "";
  const lines = [`tls { cert_file: ${quote(certificate)}, key_file: ${quote(key)}${verify} }`];
  if (verifiesClients !== true)
    return { lines, client: { tls: { ca: authority.pem } }, files: { ca } };
  const own = await issueTestCertificate(authority, { usage: "client" });
  return {
    lines,
    client: { tls: { ca: authority.pem, cert: own.certificate, key: own.key } },
    files: {
      ca,
      clientCertificate: write("client.crt", own.certificate),
      clientKey: write("client.key", own.key),
    },
  };
}

/** A string of a server's configuration. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
