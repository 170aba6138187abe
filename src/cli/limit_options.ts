/**
 * Limits as they are typed: `wall_ms=1000`, by the keys and units of isopod.toml. The admin API has them by other names
 * and in bytes; a test keeps this table and the API's document the same.
 */
import { Option } from "commander";
import { usageError } from "./exit_codes.ts";

const KB = 1024;
const MB = 1024 * KB;

/** The API's name of each key, and how many of its unit one of the key's is. */
const LIMITS: Readonly<Record<string, readonly [name: string, scale: number]>> = {
  wall_ms: ["wallMs", 1],
  cpu_ms: ["cpuMs", 1],
  memory_mb: ["memoryBytes", MB],
  body_mb: ["bodyBytesMax", MB],
  response_mb: ["responseBytesMax", MB],
  log_kb: ["logBytesMax", KB],
  subrequests: ["subrequestsMax", 1],
  subrequest_mb: ["subrequestBytesMax", MB],
  concurrency: ["concurrencyMax", 1],
};

/** What a project may have, in the same form. */
const QUOTAS: Readonly<Record<string, readonly [name: string, scale: number]>> = {
  functions: ["functionsMax", 1],
  versions: ["versionsMax", 1],
  version_mb: ["versionBytesMax", MB],
  secrets: ["secretsMax", 1],
  keys: ["keysMax", 1],
  routes: ["routesMax", 1],
  kv_mb: ["kvBytesMax", MB],
  blob_mb: ["blobBytesMax", MB],
  queue_mb: ["queueBytesMax", MB],
  sql_mb: ["sqlBytesMax", MB],
};

/** Values by the API's names. */
export type Amounts = Readonly<Record<string, number>>;

/** `--limit NAME=NUMBER`, which may be repeated. */
export function limitOption(): Option {
  return amountsOption("--limit <name=number>", "a limit", LIMITS);
}

/** `--quota NAME=NUMBER`, which may be repeated. */
export function quotaOption(): Option {
  return amountsOption("--quota <name=number>", "how much it may have", QUOTAS);
}

/** Limits of the API as they are typed, such as `wall_ms=1000 memory_mb=64`. */
export function limitsText(amounts: Amounts): string {
  return amountsText(amounts, LIMITS);
}

/** Quotas of the API as they are typed. */
export function quotasText(amounts: Amounts): string {
  return amountsText(amounts, QUOTAS);
}

function amountsOption(flags: string, what: string, known: typeof LIMITS): Option {
  const names = Object.keys(known).join(", ");
  return new Option(flags, `${what}, may be repeated: ${names}`).argParser(
    (text: string, before?: Amounts): Amounts => {
      const [, key = "", number = ""] = /^(\w+)=(\d{1,12}(?:\.\d+)?)$/.exec(text) ?? [];
      const [name, scale] = (Object.hasOwn(known, key) && known[key]) || [];
      const [flag] = flags.split(" ");
      if (name === undefined || scale === undefined)
        throw usageError(`Cannot read ${flag} "${text}": expected NAME=NUMBER, the name one of ${names}`);
      return { ...before, [name]: Math.round(Number(number) * scale) };
    },
  );
}

function amountsText(amounts: Amounts, known: typeof LIMITS): string {
  const texts = Object.entries(known).flatMap(([key, [name, scale]]) => {
    const amount = amounts[name];
    return amount === undefined ? [] : [`${key}=${Number((amount / scale).toFixed(3))}`];
  });
  return texts.join(" ");
}

/** Collects the values of an option that may be repeated. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
