/** A server and AWS's own client of the Lambda API, signing with a pair of a key. */
import {
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  InvokeCommand,
  LambdaClient,
  type LambdaClientConfig,
  type Runtime,
  UpdateFunctionCodeCommand,
  type UpdateFunctionCodeCommandInput,
} from "@aws-sdk/client-lambda";
import { ask, saying } from "./control_client.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { zipOf } from "./zip_maker.ts";

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

/** The name and the status of what a call has failed with. */
export async function statusOf(call: Promise<unknown>): Promise<[name: string, status: number | undefined]> {
  const { name, $metadata } = await failed(call);
  return [name, $metadata?.httpStatusCode];
}

/** A server with one function of its file, and AWS's client of it, for the tests of one file. */
export interface ManagedFunctions {
  readonly server: TestServer;
  readonly client: LambdaClient;
  create(name: string, more?: Partial<CreateFunctionCommandInput>): ReturnType<typeof createFunction>;
  update(name: string, value: unknown, more?: Partial<UpdateFunctionCodeCommandInput>): ReturnType<typeof updateCode>;
  call(name: string, qualifier?: string): Promise<unknown>;
}

/** Starts it: a server whose configuration has the function "filed". */
export async function startManaged(): Promise<ManagedFunctions & AsyncDisposable> {
  const server = await startTestServer({
    config: `[[functions]]\nname = "filed"\npath = "./filed.js"\n`,
    files: { "filed.js": saying("filed") },
  });
  const client = lambdaClient(server, (await makeKey(server)).aws);
  return {
    ...{ server, client },
    create: (name, more = {}) => createFunction(client, name, more),
    update: (name, value, more = {}) => updateCode(client, name, value, more),
    call: (name, qualifier) => invoked(client, name, qualifier),
    async [Symbol.asyncDispose]() {
      client.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** A runtime of handlers. */
export const NODE_RUNTIME = "nodejs22.x" as Runtime;
/** A role, which means nothing here. */
export const ROLE = "arn:aws:iam::123456789012:role/r";

/** The zip of a handler that answers a value. */
export function answering(value: unknown): Uint8Array {
  return zipOf({ "index.mjs": `export const handler = async () => (${JSON.stringify(value)});` });
}

/** Creates a function that answers its own name, unless `more` says another. */
export function createFunction(client: LambdaClient, name: string, more: Partial<CreateFunctionCommandInput> = {}) {
  const input = { FunctionName: name, Role: ROLE, Runtime: NODE_RUNTIME, Handler: "index.handler" };
  return client.send(new CreateFunctionCommand({ ...input, Code: { ZipFile: answering(name) }, ...more }));
}

/** Gives a function the code that answers a value. */
export function updateCode(
  client: LambdaClient,
  name: string,
  value: unknown,
  more: Partial<UpdateFunctionCodeCommandInput> = {},
) {
  return client.send(new UpdateFunctionCodeCommand({ FunctionName: name, ZipFile: answering(value), ...more }));
}

/** What a function answers. */
export async function invoked(client: LambdaClient, name: string, qualifier?: string): Promise<unknown> {
  const Qualifier = qualifier === undefined ? {} : { Qualifier: qualifier };
  return payloadOf(await client.send(new InvokeCommand({ FunctionName: name, ...Qualifier })));
}
