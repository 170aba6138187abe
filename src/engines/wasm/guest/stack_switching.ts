/** JSPI, which the platform's types do not have yet: a module's stack waits for a promise while others go on. */

interface StackSwitching {
  readonly Suspending: new (call: unknown) => object;
  promising(call: unknown): () => Promise<void>;
}

const switching = () => WebAssembly as unknown as StackSwitching;

/** `call` as an import that suspends the caller's stack while its promise is open. */
export function suspending(call: unknown): object {
  return new (switching().Suspending)(call);
}

/** The export `call`, run on a stack that can be suspended. */
export function promising(call: unknown): () => Promise<void> {
  return switching().promising(call);
}
