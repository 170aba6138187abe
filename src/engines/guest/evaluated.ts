/**
 * What a program comes down to once it is evaluated, of whatever kind it is, and how a kind of its own is brought in.
 * Types only.
 */
import type { InvocationContext } from "../../core/guest.ts";
import type { LoadParcel } from "../../wire/parcels.ts";

/** What a module's default export comes down to. */
export type Handler = (request: Request, env: Record<string, unknown>, context: InvocationContext) => unknown;

/** A program that has not been evaluated yet. */
export interface PendingProgram {
  /** Whether it has the export that is to be its handler. */
  readonly isModule: boolean;
  /** Runs its top level, awaits included; undefined for a script. @throws what it throws */
  evaluate(): Promise<EvaluatedProgram | undefined>;
}

/** A module that has been evaluated. */
export interface EvaluatedProgram {
  readonly handler: Handler;
  readonly exported: Readonly<Record<string, unknown>>;
  /** The exported object itself, whose members are ways into the function, too; empty when a function was exported. */
  readonly own: Readonly<Record<string, unknown>>;
}

/** Makes programs that are no text: the guest has one for each kind. */
export interface ProgramAdapter {
  /** The program, when it is of this kind. */
  read(load: LoadParcel, bytes: Uint8Array): PendingProgram | undefined;
}
