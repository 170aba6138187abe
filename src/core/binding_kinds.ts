/**
 * The kinds of bindings that a program can have on its `env`, and how one is declared: what the configuration, deploys
 * and plans read, check and document is this one table. What a binding does stands in `bindings/`.
 *
 * Secrets and egress are not among them: a secret is a value, and every program has `fetch`.
 */

/** What a program may do with what is bound. */
export type BindingMode = "read" | "read-write";

/** The value of a key that only some types have. */
export type BindingOption = string | number | boolean | readonly string[];

/** A binding as it is declared; the name on `env` stands beside it. */
export interface BindingDeclaration {
  readonly type: string;
  /** What is bound: its name within its project. */
  readonly resource: string;
  readonly mode: BindingMode;
  /** The keys of the type. */
  readonly options: Readonly<Record<string, BindingOption>>;
  /** Where what is bound is, when that is secret, and who says so. Stays with the host. */
  readonly secretUrl?: SecretUrl | undefined;
}

/** An address that nobody may learn. */
export interface SecretUrl {
  readonly url: string;
  /** Whether the operator has given it: it may lead anywhere then. */
  readonly isTrusted: boolean;
}

/** A binding that a program holds. */
export interface BindingGrant extends BindingDeclaration {
  readonly project: string;
}

/** A key that a type of bindings has beside `type`, `name` and `mode`. */
export interface BindingKey {
  readonly form: "text" | "texts" | "number" | "boolean";
  /** Stands after "expected ". */
  readonly expected: string;
  readonly isRequired?: boolean;
  /** Whether a value of the right form will do; each text of `texts` is asked about. */
  accepts?(value: string | number | boolean): boolean;
}

/** A type of bindings. */
export interface BindingKind {
  /** The modes that there are; the first is meant when none is said. */
  readonly modes: readonly [BindingMode, ...BindingMode[]];
  readonly keys: Readonly<Record<string, BindingKey>>;
}

const TEXT_LENGTH_MAX = 4096;
const TEXTS_MAX = 256;

/** The types, by their names. */
export const BINDING_KINDS: Readonly<Record<string, BindingKind>> = {
  kv: {
    modes: ["read-write", "read"],
    keys: {
      prefix: {
        form: "text",
        expected: "the beginning of the keys that the program has, of at most 256 bytes",
        accepts: (value) => typeof value === "string" && value.isWellFormed() && Buffer.byteLength(value) <= 256,
      },
    },
  },
  sql: {
    modes: ["read-write", "read"],
    keys: {
      tables: {
        form: "texts",
        expected: "a list of the tables and views that the program has",
        accepts: (value) => typeof value === "string" && value.isWellFormed() && Buffer.byteLength(value) <= 128,
      },
      dialect: {
        form: "text",
        expected: '"sqlite" or "postgres"',
        accepts: (value) => value === "sqlite" || value === "postgres",
      },
      secret: {
        form: "text",
        expected: "the name of the secret that holds the database's url",
        accepts: (value) => typeof value === "string" && /^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(value),
      },
    },
  },
  blob: {
    modes: ["read-write", "read"],
    keys: {
      prefix: {
        form: "text",
        expected: "the beginning of the keys that the program has, of at most 512 bytes",
        accepts: (value) => typeof value === "string" && value.isWellFormed() && Buffer.byteLength(value) <= 512,
      },
    },
  },
  queue: { modes: ["read-write"], keys: {} },
  tcp: {
    modes: ["read-write"],
    keys: {
      allow: {
        form: "texts",
        expected: 'a list of hosts with ports, such as ["db.example.com:5432"]',
        isRequired: true,
        accepts: (value) => typeof value === "string" && /^[^\s@?#\\]{1,253}:(\d{1,5}|\*)$/.test(value),
      },
    },
  },
  function: {
    modes: ["read-write"],
    keys: {
      alias: {
        form: "text",
        expected: "the name of an alias of the function",
        accepts: (value) => typeof value === "string" && /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(value),
      },
    },
  },
};

/** The names of the types. */
export const BINDING_TYPES: readonly string[] = Object.keys(BINDING_KINDS);

/** No bindings. */
export const NO_BINDINGS: ReadonlyMap<string, BindingGrant> = new Map();

/** The most bindings of a function or a plan. */
export const BINDINGS_MAX = 64;

/** What a binding's name on `env` must be. */
export const BINDING_NAME_EXPECTED =
  'letters, digits and "_", at most 64, no digit first, and not "egress", "cache" or "module", which are the host\'s own';

/** Whether a binding may have this name on `env`. */
export function isBindingName(name: string): boolean {
  return (
    /^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name) &&
    name !== "egress" &&
    name !== "cache" &&
    name !== "module" &&
    name !== "__proto__"
  );
}

/** What the name of what is bound must be. */
export const RESOURCE_EXPECTED = 'letters, digits, "_" and "-", at most 63, beginning with a letter or digit';

/** Whether something that is bound may have this name. */
export function isResourceName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(name);
}

/** Whether `value` is of the form that the key has. */
export function isOption(key: BindingKey, value: unknown): value is BindingOption {
  const { form, accepts = () => true } = key;
  const isText = (item: unknown): item is string =>
    typeof item === "string" && item !== "" && item.length <= TEXT_LENGTH_MAX && !item.includes("\0") && accepts(item);
  if (form === "text") return isText(value);
  if (form === "texts") return Array.isArray(value) && value.length <= TEXTS_MAX && value.every(isText);
  return typeof value === form && accepts(value as number | boolean);
}

/** Whether a declaration names a database of PostgreSQL. */
export function isPostgres({ type, options }: BindingDeclaration): boolean {
  return type === "sql" && options["dialect"] === "postgres";
}

/** What is declared, as the program of a project holds it. */
export function grantsOf(
  project: string,
  declared: ReadonlyMap<string, BindingDeclaration>,
): ReadonlyMap<string, BindingGrant> {
  if (declared.size === 0) return NO_BINDINGS;
  return new Map([...declared].map(([name, declaration]) => [name, { ...declaration, project }]));
}
