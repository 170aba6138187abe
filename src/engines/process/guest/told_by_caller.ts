/** What the invoke API says of a call beside its payload. */

/** What the invoke API tells of a call. */
export interface ToldByCaller {
  readonly invokedFunctionArn?: string;
  readonly clientContext?: unknown;
}

/** What `ctx.args.lambda` of a script would be, which no request from outside can set. */
export function toldOf(argsJson: string): ToldByCaller | undefined {
  const args = JSON.parse(argsJson) as { lambda?: ToldByCaller } | null;
  return args?.lambda;
}

/** The client context, as JSON. */
export function contextOf({ clientContext }: ToldByCaller): string | undefined {
  return clientContext === undefined ? undefined : JSON.stringify(clientContext);
}
