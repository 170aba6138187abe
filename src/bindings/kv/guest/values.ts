/** Values of KV in the forms that programs ask for. */
import { decodeParcel } from "../../../wire/parcels.ts";

const FORMS = ["text", "json", "bytes", "arrayBuffer", "stream"] as const;
type FormName = (typeof FORMS)[number];

/** How a program says which form it wants; `cacheTtl` is taken and means nothing here. */
export type Form = FormName | { readonly type?: FormName; readonly cacheTtl?: number };
/** A value in one of the forms. */
export type Shape = unknown;

/** What is known of an entry beside its value. */
export interface EntryInfo {
  readonly metadata: unknown;
  readonly revision: number;
}

/** The form that is asked for. @throws {TypeError} */
export function formOf(options: Form | null | undefined): FormName {
  const form = (typeof options === "object" ? options?.type : options) ?? "text";
  if (FORMS.includes(form)) return form;
  throw new TypeError(`Cannot get: expected a type of ${FORMS.join(", ")}, not ${String(form)}`);
}

/** A body in a form. */
export async function shaped(body: ReadableStream<Uint8Array> | Uint8Array | null, form: FormName): Promise<Shape> {
  const response = new Response(body as Uint8Array<ArrayBuffer> | null);
  if (form === "text") return response.text();
  if (form === "json") return response.json();
  if (form === "bytes") return response.bytes();
  return form === "stream" ? (response.body ?? new Blob([]).stream()) : response.arrayBuffer();
}

/** What the headers of an answer say. */
export function infoOf(headers: readonly (readonly [string, string])[]): EntryInfo {
  const find = (name: string) => headers.find(([each]) => each === name)?.[1];
  return { metadata: metadataOf(find("metadata")), revision: Number(find("revision") ?? 0) };
}

function metadataOf(text: string | null | undefined): unknown {
  return typeof text === "string" ? JSON.parse(decodeURIComponent(text)) : null;
}

type Found = readonly [bytes: number, revision: number, metadata: string | null] | null;

/** The entries of an answer for many keys, in their order. */
export function readMany(
  keys: readonly string[],
  payload: Uint8Array,
): (readonly [string, (EntryInfo & { readonly bytes: Uint8Array }) | null])[] {
  const { json, bytes } = decodeParcel(payload);
  let at = 0;
  return (json as Found[]).map((found, index) => {
    const key = keys[index] ?? "";
    if (found === null) return [key, null];
    const [length, revision, metadata] = found;
    const value = bytes.subarray(at, at + length);
    at += length;
    return [key, { bytes: value, revision, metadata: metadataOf(metadata) }];
  });
}
