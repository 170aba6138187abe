/**
 * A grant, compiled: which targets and addresses it allows, and which secrets go into a request's headers.
 *
 * Compiled once a grant and kept as long as the grant is. It knows nothing of connections; `binding.ts` asks it before
 * each resolution and again before each connection.
 */
import { IsopodError } from "../../core/errors.ts";
import type { EgressGrant, InjectedSecret } from "../../core/function.ts";
import type { HeaderList } from "../../core/invocation.ts";
import { type Address, isPublicAddress } from "./address.ts";
import {
  allowsTarget,
  type EgressRule,
  type HostPattern,
  matchesHost,
  namesAddress,
  parseEgressRule,
  parseHostPattern,
  type Target,
} from "./rule.ts";

/** Shorter placeholders would be found in text that means nothing by it. */
const PLACEHOLDER_LENGTH_MIN = 8;

interface CompiledSecret {
  readonly placeholder: string;
  readonly value: string;
  readonly hosts: readonly HostPattern[];
}

/** What one grant allows. */
export class Policy {
  readonly #rules: readonly EgressRule[];
  readonly #secrets: readonly CompiledSecret[];

  /** @throws {Error} when an entry or a secret of the grant is malformed */
  constructor(grant: EgressGrant) {
    this.#rules = grant.allow.map(parseEgressRule);
    this.#secrets = grant.secrets.map(compileSecret);
  }

  /**
   * Checks the target before its name is resolved, so that names that are not allowed are never asked for.
   * @throws {IsopodError} `egress_denied`
   */
  checkTarget(target: Target): void {
    if (this.#rules.some((rule) => allowsTarget(rule, target))) return;
    throw new IsopodError("egress_denied", {
      message: `Cannot fetch ${target.method} ${originOf(target)}: no entry of the egress allow-list has this method, host and port`,
    });
  }

  /** Whether the target may be reached at `address`: it is public, or an entry that allows the target names it. */
  allowsAddress(target: Target, address: Address): boolean {
    return isPublicAddress(address) || this.#rules.some((rule) => namesAddress(rule, target, address));
  }

  /**
   * The headers with every placeholder replaced whose secret belongs to the target's host, if they travel over TLS, or
   * in clear text on this machine alone. Towards every other host the placeholder goes as it is.
   */
  inject(headers: HeaderList, target: Target, onThisMachine: boolean): HeaderList {
    if (this.#secrets.length === 0 || (target.scheme === "http:" && !onThisMachine)) return headers;
    const secrets = this.#secrets.filter((secret) => secret.hosts.some((host) => matchesHost(host, target)));
    if (secrets.length === 0) return headers;
    return headers.map(([name, value]) => [name, secrets.reduce(replacePlaceholder, value)]);
  }

  /** Whether `value` holds a placeholder of the grant. */
  mentionsSecret(value: string): boolean {
    return this.#secrets.some((secret) => value.includes(secret.placeholder));
  }
}

/** Compiles grants, each once. */
export class Policies {
  readonly #compiled = new WeakMap<EgressGrant, Policy>();

  /** @throws {Error} when an entry or a secret of the grant is malformed */
  of(grant: EgressGrant): Policy {
    let policy = this.#compiled.get(grant);
    if (policy === undefined) {
      policy = new Policy(grant);
      this.#compiled.set(grant, policy);
    }
    return policy;
  }
}

/** Scheme, host and port, as messages and pools name them. */
export function originOf(target: Target): string {
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  return `${target.scheme}//${host}:${target.port}`;
}

function replacePlaceholder(text: string, secret: CompiledSecret): string {
  return text.replaceAll(secret.placeholder, () => secret.value);
}

/** No message of it holds the value. */
function compileSecret(secret: InjectedSecret): CompiledSecret {
  const { placeholder, value, hosts } = secret;
  if (placeholder.length < PLACEHOLDER_LENGTH_MIN) {
    throw new Error(
      `Cannot use egress secret ${JSON.stringify(placeholder)}: a placeholder has at least ${PLACEHOLDER_LENGTH_MIN} characters`,
    );
  }
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
    throw new Error(`Cannot use egress secret ${placeholder}: its value cannot stand in a header`);
  }
  return { placeholder, value, hosts: hosts.map(parseHostPattern) };
}
