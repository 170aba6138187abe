/**
 * The two bodies that hold more than a program: the JSON envelope, and `multipart/form-data` for binary input.
 *
 * Both have the same fields, `{code | url | hash, args?, env?, input?, limits?, language?, integrity?}`; in a form
 * `args`, `env` and `limits` are JSON texts, and binary `input` is a file part: the standard decodes parts without a
 * file name as text. Unknown fields are errors, so that a misspelt limit never goes unseen.
 */
import { z } from "zod";
import { parseBoundedJson } from "../../core/bounded_json.ts";
import { IsopodError } from "../../core/errors.ts";
import { type Language, languageOf } from "../../core/function.ts";
import { type CodelessBody, checkShape, readSettings, refuse, settings, toJson } from "./settings.ts";

/** How large the parts may be. */
export interface CodelessBounds {
  readonly codeBytesMax: number;
  /** The most that a program's input may hold. */
  readonly bodyBytesMax: number;
}

const envelopeSchema = z.strictObject({ code: z.string().optional(), input: z.unknown().optional(), ...settings });
const formSchema = z.strictObject(settings);
/**
 * Reads a JSON envelope.
 * @throws {IsopodError} `bad_request`, `code_too_large`, `body_too_large`
 */
export function readEnvelope(bytes: Uint8Array, options: CodelessBounds): CodelessBody {
  const said = checkShape(
    envelopeSchema,
    parseBoundedJson(decode(bytes, "the envelope"), "the envelope"),
    "the envelope",
  );
  const input = said.input === undefined ? null : new TextEncoder().encode(inputText(said.input));
  if (said.code !== undefined) checkSize(Buffer.byteLength(said.code), options.codeBytesMax, "code_too_large");
  if (input !== null) checkSize(input.length, options.bodyBytesMax, "body_too_large");
  const inputType = typeof said.input === "string" ? "text/plain; charset=utf-8" : "application/json";
  return { ...readSettings(said, said.code, said.language), input, inputType: input === null ? undefined : inputType };
}

/**
 * Reads a form; `contentType` holds its boundary.
 * @throws {IsopodError} `bad_request`, `code_too_large`, `body_too_large`
 */
export async function readForm(bytes: Uint8Array, contentType: string, options: CodelessBounds): Promise<CodelessBody> {
  const fields = await readFields(bytes, contentType);
  const { code: codeField, input: inputField, ...rest } = fields;
  const values: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(rest)) {
    if (typeof value !== "string") refuse(`Cannot read form field "${name.slice(0, 100)}": expected text, not a file`);
    values[name] =
      name === "args" || name === "env" || name === "limits" ? parseBoundedJson(value, `form field "${name}"`) : value;
  }
  const said = checkShape(formSchema, values, "the form");
  const code = codeField === undefined ? undefined : decode(await fieldBytes(codeField), "the program");
  const input = inputField === undefined ? null : await fieldBytes(inputField);
  if (code !== undefined) checkSize(Buffer.byteLength(code), options.codeBytesMax, "code_too_large");
  if (input !== null) checkSize(input.length, options.bodyBytesMax, "body_too_large");
  const language = said.language ?? (codeField instanceof Blob ? languageOfFile(codeField) : undefined);
  return { ...readSettings(said, code, language), input, inputType: inputField && typeOfField(inputField) };
}

type Field = string | Blob;

const FIELDS_MAX = 16;

async function readFields(bytes: Uint8Array, contentType: string): Promise<Partial<Record<string, Field>>> {
  let form: FormData;
  try {
    form = (await new Response(bytes, { headers: { "content-type": contentType } }).formData()) as FormData;
  } catch (error) {
    return refuse(`Cannot read the form: ${error instanceof Error ? error.message.slice(0, 200) : "it is malformed"}`);
  }
  const fields: Partial<Record<string, Field>> = Object.create(null);
  let count = 0;
  for (const [name, value] of form.entries()) {
    count += 1;
    if (count > FIELDS_MAX) refuse(`Cannot read the form: it has more than ${FIELDS_MAX} fields`);
    if (name in fields) refuse(`Cannot read form field "${name.slice(0, 100)}": it is given twice`);
    fields[name] = value as Field;
  }
  return fields;
}

async function fieldBytes(field: Field): Promise<Uint8Array> {
  return typeof field === "string" ? new TextEncoder().encode(field) : field.bytes();
}

function typeOfField(field: Field): string {
  if (typeof field === "string") return "text/plain; charset=utf-8";
  return field.type === "" ? "application/octet-stream" : field.type;
}

function languageOfFile(file: Blob): Language {
  const name = "name" in file && typeof file.name === "string" ? file.name : "";
  return /\bjavascript\b/.test(file.type) && !/\.[mc]?tsx?$/i.test(name) ? "javascript" : languageOf(name);
}

/** A text goes to the program as it is, anything else as JSON. */
function inputText(input: unknown): string {
  return typeof input === "string" ? input : toJson(input);
}

function decode(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: what === "the program" }).decode(bytes);
  } catch {
    return refuse(`Cannot read ${what}: it is not UTF-8`);
  }
}

function checkSize(bytes: number, max: number, code: "code_too_large" | "body_too_large"): void {
  if (bytes <= max) return;
  const [what, name] = code === "code_too_large" ? ["the program", "codeBytesMax"] : ["the input", "bodyBytesMax"];
  throw new IsopodError(code, {
    message: `Cannot read ${what}: it has ${bytes} bytes, over ${max}.`,
    limit: { name, value: max },
  });
}
