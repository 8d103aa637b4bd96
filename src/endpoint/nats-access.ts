import type { NatsLogin, NatsOptions } from "../contract/nats-options.js";
import { errnoOf, EndpointError } from "./endpoint-error.js";
import { formatAddress } from "./endpoint.js";
import { readGivenAuthorities, readGivenCertificate } from "./given-certificate.js";
import { maxNatsSecretBytes } from "./limits.js";
import { openRegularFile } from "./regular-file.js";
import type { NatsLoginSettings, NatsSettings } from "./store-settings.js";

/**
 * Reads the files that the settings name. CONFIG_INVALID where one cannot be used, or is a secret that
 * everybody may read: the message names the file, and says what would do.
 */
export async function readNatsAccess(settings: NatsSettings, nowMs: number): Promise<NatsOptions> {
  const { servers, requireTls, prefix, replicas, syncAlways, tls, login } = settings;
  const { ca, certificate, key } = tls;
  if (ca !== undefined) await readGivenAuthorities(ca, nowMs);
  if (certificate !== undefined && key !== undefined) {
    await readGivenCertificate({ certificate, key }, nowMs);
    readSecret(key);
  }
  const readAgain = () => (login === undefined ? undefined : readLogin(login));
  readAgain();
  return {
    servers: servers.map(formatAddress),
    requireTls,
    tls: {
      ...(ca === undefined ? {} : { caFile: ca }),
      ...(certificate === undefined ? {} : { certFile: certificate }),
      ...(key === undefined ? {} : { keyFile: key }),
    },
    login: readAgain,
    prefix,
    replicas,
    syncAlways,
  };
}

function readLogin(login: NatsLoginSettings): NatsLogin {
  const { kind, file } = login;
  const text = readSecret(file);
  switch (kind) {
    case "credentials": {
      const [, jwt] = jwtForm.exec(text) ?? [];
      const seed = seedForm.exec(text)?.[0];
      if (jwt === undefined || seed === undefined) {
        throw invalid(file, "holds no credentials of a user: write it with `nsc generate creds`");
      }
      return { kind, jwt, seed };
    }
    case "nkey": {
      const seed = seedForm.exec(text)?.[0];
      if (seed === undefined) {
        throw invalid(file, "holds no seed of a user's NKey, which begins with SU");
      }
      return { kind, seed };
    }
    case "password":
      return { kind, user: login.user, password: oneLine(file, text) };
    case "token":
      return { kind, token: oneLine(file, text) };
  }
}

const jwtForm = /-BEGIN NATS USER JWT-+\s+([\w-]+\.[\w-]+\.[\w-]+)\s/;
const seedForm = /\bSU[A-Z2-7]{56}\b/;

/** Without the line end that an editor leaves. */
function oneLine(file: string, text: string): string {
  const line = text.replace(/\r?\n$/, "");
  if (line === "" || /[\r\n]/.test(line)) throw invalid(file, "does not hold exactly one line");
  return line;
}

/** Without a wait in between: the client asks for it in the middle of a handshake. */
function readSecret(path: string): string {
  try {
    using file = openRegularFile(path);
    if (file === undefined) throw invalid(path, "is not there, or is no file");
    // A group may read it: so are secrets mounted in containers whose user is not root.
    if ((file.stats.mode & 0o007) !== 0) {
      throw invalid(
        path,
        `may be read or written by everybody on this machine: run chmod o= '${path}'`,
      );
    }
    const bytes = file.read(0, maxNatsSecretBytes + 1);
    if (bytes.length > maxNatsSecretBytes) {
      throw invalid(path, `has more than ${maxNatsSecretBytes} bytes`);
    }
    return bytes.toString();
  } catch (cause) {
    const why = errnoOf(cause);
    if (cause instanceof EndpointError || why === undefined) throw cause;
    throw invalid(path, `cannot be read (${why})`, cause);
  }
}

function invalid(path: string, sentence: string, cause?: unknown): EndpointError {
  return new EndpointError("CONFIG_INVALID", `${path} ${sentence}.`, { cause });
}
