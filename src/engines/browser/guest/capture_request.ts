/**
 * Reads what a page asks for: each option that is not known, or is not what it must be, is named with its value and with
 * what was expected. The browser itself would say "Invalid parameters", or nothing.
 */
import { type CaptureRequest, FORMATS, type Viewport } from "./capture_options.ts";

/** What an option may be: gives it as the rest of the guest wants it, or undefined when it is something else. */
interface Rule {
  readonly expected: string;
  read(value: unknown): unknown;
}

type Rules = Readonly<Record<string, Rule>>;

const VALUE_LENGTH_MAX = 100;
const PIXELS_PER_INCH = 96;

/** Inches of each unit, as CSS has them. */
const UNITS: Readonly<Record<string, number>> = {
  in: 1,
  cm: 1 / 2.54,
  mm: 1 / 25.4,
  px: 1 / PIXELS_PER_INCH,
};

const LENGTH = 'a number of inches, or a text such as "2cm" with in, cm, mm or px';

const text: Rule = { expected: "a text", read: (value) => (typeof value === "string" ? value : undefined) };
const flag: Rule = { expected: "true or false", read: (value) => (typeof value === "boolean" ? value : undefined) };
const size: Rule = { expected: `${LENGTH}, above 0`, read: (value) => inchesOf(value, Number.MIN_VALUE) };
const side: Rule = { expected: `${LENGTH}, 0 or more`, read: (value) => inchesOf(value, 0) };

const SIDES: Rules = { top: side, right: side, bottom: side, left: side };
const VIEWPORT: Rules = {
  width: { expected: "a whole number above 0", read: (value) => wholeOf(value) },
  height: { expected: "a whole number above 0", read: (value) => wholeOf(value) },
  deviceScaleFactor: numberFrom(Number.MIN_VALUE, Number.MAX_VALUE, "a number above 0"),
};

const PDF: Rules = {
  html: text,
  format: oneOf(Object.keys(FORMATS), (value) => value.toLowerCase()),
  landscape: flag,
  scale: numberFrom(0.1, 2, "a number from 0.1 to 2"),
  width: size,
  height: size,
  margin: { expected: `${side.expected}, or one for each of ${Object.keys(SIDES).join(", ")}`, read: side.read },
  background: flag,
  pageRanges: text,
  header: text,
  footer: text,
  preferCssPageSize: flag,
};

const SCREENSHOT: Rules = {
  html: text,
  selector: text,
  viewport: { expected: "an object with width, height and deviceScaleFactor", read: () => undefined },
  fullPage: flag,
  transparent: flag,
  type: oneOf(["png", "jpeg", "webp"], (value) => value),
  quality: numberFrom(0, 100, "a number from 0 to 100"),
};

/** Options that may be objects, with what is in them. */
const PARTS: Readonly<Record<string, Rules>> = { margin: SIDES, viewport: VIEWPORT };

/** A request as its page has sent it. @throws {Error} that names the first option that is wrong */
export function readCapture(json: string): CaptureRequest {
  const { kind, ...options } = JSON.parse(json) as Readonly<Record<string, unknown>>;
  if (kind === "pdf") return { kind, ...readOptions("Cannot print", PDF, options) };
  const action = "Cannot take a picture";
  const request = readOptions(action, SCREENSHOT, options);
  const {
    type = "png",
    quality,
    viewport,
  } = request as {
    readonly type?: string;
    readonly quality?: number;
    readonly viewport?: Partial<Viewport>;
  };
  if (quality !== undefined && type === "png") {
    throw new Error(`${action}: the option "quality" is ${quality}, expected none for a PNG, which loses nothing`);
  }
  for (const name of ["width", "height"] as const) {
    if (viewport !== undefined && viewport[name] === undefined) {
      throw new Error(`${action}: the option "viewport.${name}" is missing, expected a whole number above 0`);
    }
  }
  return { kind: "screenshot", ...request };
}

function readOptions(action: string, rules: Rules, options: object, path = ""): object {
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    const shown = `"${path}${name.slice(0, VALUE_LENGTH_MAX)}"`;
    if (rule === undefined) {
      throw new Error(`${action}: the option ${shown} is not known, expected ${Object.keys(rules).join(", ")}`);
    }
    const parts = path === "" && Object.hasOwn(PARTS, name) ? PARTS[name] : undefined;
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    const result = parts && isObject ? readOptions(action, parts, value, `${name}.`) : rule.read(value);
    if (result === undefined) {
      const given = JSON.stringify(value).slice(0, VALUE_LENGTH_MAX);
      throw new Error(`${action}: the option ${shown} is ${given}, expected ${rule.expected}`);
    }
    read[name] = result;
  }
  return read;
}

function inchesOf(value: unknown, least: number): number | undefined {
  const [, digits, unit = ""] =
    typeof value === "string" ? (/^(\d+\.?\d*|\.\d+) ?(in|cm|mm|px)$/.exec(value) ?? []) : [];
  const inches = typeof value === "number" ? value : Number(digits) * (UNITS[unit] ?? Number.NaN);
  return inches >= least && inches < Number.POSITIVE_INFINITY ? inches : undefined;
}

function wholeOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : undefined;
}

function numberFrom(least: number, most: number, expected: string): Rule {
  return {
    expected,
    read: (value) => (typeof value === "number" && value >= least && value <= most ? value : undefined),
  };
}

function oneOf(words: readonly string[], simplify: (value: string) => string): Rule {
  return {
    expected: `one of ${words.join(", ")}`,
    read: (value) => (typeof value === "string" && words.includes(simplify(value)) ? simplify(value) : undefined),
  };
}
