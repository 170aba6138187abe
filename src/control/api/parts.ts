/** What the admin API reaches, beside the control plane: the server that it is part of. */
import type { CacheAdmin } from "../../core/cache_admin.ts";
import type { DatabaseAdmin } from "../../core/database_admin.ts";
import type { Language } from "../../core/function.ts";
import type { TriggerAdmin } from "../../core/triggers.ts";
import type { ControlPlane, KnownProgram } from "../control_plane.ts";
import type { LogRouteParts } from "./admin_logs.ts";

/** A pin, as it is listed. */
export interface PinInfo {
  readonly hash: string;
  readonly language: Language;
  readonly bytes: number;
  readonly pinnedAt: number;
}

/** What the API reaches. */
export interface ApiParts {
  readonly plane: ControlPlane;
  /** The state of the server, for people and for `isopod doctor`. */
  status(): object;
  /** What is remembered of an invocation. */
  invocation(requestId: string): unknown;
  readonly pins: {
    pin(code: string, language: Language): Promise<string>;
    list(): readonly PinInfo[];
  };
  /** A program that was pinned or ran a while ago. */
  program(hash: string): Promise<KnownProgram | undefined>;
  /** The log of what programs did. */
  readonly logs: LogRouteParts;
  readonly databases: DatabaseAdmin;
  readonly cache: CacheAdmin;
  readonly triggers: TriggerAdmin;
  /** The address of the data plane. */
  baseUrl(): string;
  /** Of the server, for the document. */
  readonly version: string;
}
