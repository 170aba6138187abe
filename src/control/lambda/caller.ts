/**
 * Who calls the Lambda API, and for which project: a signature by a key's pair, or a token as everywhere else on the
 * admin listener. Nobody calls without a credential.
 */
import { IsopodError } from "../../core/errors.ts";
import { DEFAULT_PROJECT } from "../../core/function.ts";
import { ANONYMOUS } from "../../core/plan.ts";
import type { Principal } from "../api/endpoint.ts";
import type { SigningPairs } from "../tenancy/signing_pairs.ts";
import { LambdaError } from "./failures.ts";
import type { Account } from "./names.ts";
import { checkSignature, isSignature, readSignature } from "./signature.ts";

/** Who calls. */
export interface LambdaCaller extends Account {
  readonly who: Principal;
  /** Of the API key by which they came; undefined for the server's token. */
  readonly keyHash: string | undefined;
  /** Nobody has signed, and the plan `anonymous` lets that be. */
  readonly isUnsigned?: boolean;
}

/** What telling takes. */
export interface CallerParts {
  readonly pairs: SigningPairs;
  /** Who has a token. @throws {IsopodError} `unauthorized` */
  principal(request: Request): Principal;
  hasProject(project: string): boolean;
  /** Whether the plan `anonymous` takes invocations that nobody has signed. */
  takesUnsigned(): boolean;
  wallNow(): number;
}

/** The region that is shown to who has signed for none. */
const REGION = "us-east-1";
/** Names the project for the server's token, which may speak for each. */
const PROJECT_HEADER = "isopod-project";

/** Who has signed nothing: it is for the functions of the default project, and for nothing but invoking them. */
const UNSIGNED: LambdaCaller = {
  who: { label: ANONYMOUS, project: DEFAULT_PROJECT, scopes: ["invoke"], mayPin: false, plan: ANONYMOUS },
  ...{ project: DEFAULT_PROJECT, region: REGION, keyHash: undefined, isUnsigned: true },
};

/** A credential that is known, before it is certain that who sent it has signed this. */
export interface Credential {
  readonly caller: LambdaCaller;
  /** @throws {LambdaError} when the request, with this body, is not what was signed */
  check(body: Uint8Array): void;
}

/** Looked at before the body is read: nobody without a credential has the server read one. @throws {LambdaError} */
export function identify(parts: CallerParts, request: Request, access: LambdaAccess): Credential {
  const authorization = request.headers.get("authorization");
  if (authorization === null && access === "invoke" && parts.takesUnsigned()) {
    return { caller: UNSIGNED, check: () => {} };
  }
  if (authorization === null) {
    const message = "Missing Authentication Token: sign the request with a key's pair, or send a token.";
    throw new LambdaError("MissingAuthenticationTokenException", message);
  }
  if (isSignature(authorization)) return bySignature(parts, authorization, request);
  const who = asLambda(() => parts.principal(request));
  const known = { who, region: REGION, keyHash: who.keyHash };
  if (who.project !== undefined) return { caller: { ...known, project: who.project }, check: () => {} };
  const project = request.headers.get(PROJECT_HEADER) ?? DEFAULT_PROJECT;
  if (!parts.hasProject(project)) {
    throw new LambdaError("ResourceNotFoundException", `There is no project "${project.slice(0, 40)}".`);
  }
  return { caller: { ...known, project }, check: () => {} };
}

function bySignature(parts: CallerParts, authorization: string, { method, url, headers }: Request): Credential {
  const signed = readSignature(authorization);
  const found = parts.pairs.find(signed.accessKeyId);
  if (found === undefined) {
    throw new LambdaError("UnrecognizedClientException", "The security token included in the request is invalid.");
  }
  const { key, hash, secretAccessKey } = found;
  const { prefix, project, scopes, mayPin, plan } = key;
  const who = { label: prefix, project, scopes, mayPin, plan, keyHash: hash };
  return {
    caller: { who, project, region: signed.region, keyHash: hash },
    check: (body) => checkSignature(signed, { method, url, headers, body }, secretAccessKey, parts.wallNow()),
  };
}

function asLambda(principal: () => Principal): Principal {
  try {
    return principal();
  } catch (error) {
    if (!(error instanceof IsopodError)) throw error;
    throw new LambdaError("UnrecognizedClientException", "The security token included in the request is invalid.");
  }
}

/** What an operation takes. */
export type LambdaAccess = "invoke" | "deploy" | "read";

const SCOPES: Readonly<Record<LambdaAccess, readonly string[]>> = {
  invoke: ["invoke", "admin"],
  deploy: ["deploy", "admin"],
  read: ["deploy", "logs", "admin"],
};

/** @throws {LambdaError} `AccessDeniedException` */
export function checkAccess({ who }: LambdaCaller, operation: string, access: LambdaAccess): void {
  const scopes = SCOPES[access];
  if (who.project === undefined || scopes.some((scope) => who.scopes.includes(scope))) return;
  throw new LambdaError(
    "AccessDeniedException",
    `The key is not authorized to perform lambda:${operation}: it has ${who.scopes.join(", ")}, and this takes ${scopes.join(" or ")}.`,
  );
}
