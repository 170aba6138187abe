/** A server and AWS's own client of the Lambda API, signing with a pair of a key. */
import { LambdaClient, type LambdaClientConfig } from "@aws-sdk/client-lambda";
import { ask } from "./control_client.ts";
import type { TestServer } from "./server.ts";

/** A pair that signs. */
export interface Pair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** What a key for tests is. */
export interface KeyOptions {
  readonly project?: string;
  readonly scopes?: readonly string[];
  readonly plan?: string;
  readonly expiresAt?: number;
}

/** Makes a key with a pair. */
export async function makeKey(
  server: Pick<TestServer, "admin">,
  { project = "default", scopes = ["invoke", "deploy"], ...more }: KeyOptions = {},
): Promise<{ readonly key: string; readonly id: string; readonly aws: Pair }> {
  const { body } = await ask(server, "POST", `/v1/projects/${project}/keys`, { scopes, aws: true, ...more });
  return body as unknown as { key: string; id: string; aws: Pair };
}

/** AWS's client; it tries nothing again, so that each test sees each answer. */
export function lambdaClient(
  { adminUrl }: Pick<TestServer, "adminUrl">,
  credentials: Pair,
  more: LambdaClientConfig = {},
): LambdaClient {
  return new LambdaClient({ endpoint: adminUrl, region: "eu-central-1", credentials, maxAttempts: 1, ...more });
}

/** A handler's source that answers what it was called with. */
export const ECHO = `exports.handler = async (event, context) => ({ event, context: { ...context, left: context.getRemainingTimeInMillis() } });`;

/** The payload of an answer. */
export function payloadOf<Value = unknown>({ Payload }: { readonly Payload?: Uint8Array }): Value {
  return JSON.parse(new TextDecoder().decode(Payload)) as Value;
}

/** What a call has failed with; an error by the name "nothing" when it has not. */
export function failed(call: Promise<unknown>): Promise<Error & { $metadata?: { httpStatusCode?: number } }> {
  return call.then(
    () => Object.assign(new Error(""), { name: "nothing" }),
    (error) => error,
  );
}
