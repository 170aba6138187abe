/**
 * Static files in the encodings that clients take: as they lie compressed beside the file (`app.js.br`), or compressed
 * here once and kept in memory, by the hash of their contents.
 */
import { promisify } from "node:util";
import { brotliCompress, constants, gzip, zstdCompress } from "node:zlib";
import Negotiator from "negotiator";
import type { Asset, AssetFolder } from "../../core/assets.ts";

/** The encodings, the best first, with the ending of a file that is compressed so. */
const ENCODINGS = ["br", "zstd", "gzip"] as const;
/** One of them. */
export type Encoding = (typeof ENCODINGS)[number];
const ENDINGS: Readonly<Record<Encoding, string>> = { br: ".br", zstd: ".zst", gzip: ".gz" };

const COMPRESS: Readonly<Record<Encoding, (bytes: Uint8Array) => Promise<Uint8Array>>> = {
  br: (bytes) => promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } }),
  zstd: (bytes) => promisify(zstdCompress)(bytes),
  gzip: (bytes) => promisify(gzip)(bytes),
};

const COMPRESSIBLE =
  /^text\/|[/+](json|xml|javascript|wasm|rtf|x-sh|manifest\+json)\b|^font\/(ttf|otf)|^image\/(bmp|svg)/;
/** Below this, in bytes, a head costs more than compressing saves. */
const WORTH_BYTES = 512;
const KEPT_BYTES_MAX = 64 * 1024 * 1024;
/** Files that are compressed at a time; beyond it clients get them as they are. */
const COMPRESSING_MAX = 4;
const HEADER_LENGTH_MAX = 1000;

/** What a client is sent. */
export interface Encoded {
  readonly encoding: Encoding;
  readonly asset: Asset;
}

/** The encodings of a server's static files. */
export class AssetEncodings {
  readonly #kept = new Map<string, Asset>();
  readonly #making = new Map<string, Promise<Asset | undefined>>();
  #bytes = 0;

  /** Whether answers for a file of this type and size depend on what the client takes. */
  varies(type: string, { bytes }: Asset): boolean {
    return bytes >= WORTH_BYTES && COMPRESSIBLE.test(type);
  }

  /** The best that the client takes and that makes the file smaller; undefined for the file as it is. */
  async choose(folder: AssetFolder, asset: Asset, accepted: string | null): Promise<Encoded | undefined> {
    for (const encoding of wanted(accepted)) {
      const beside = await folder.find(asset.path + ENDINGS[encoding]);
      const found = beside ?? (asset.small ? await this.#compressed(asset, encoding) : undefined);
      if (found !== undefined && found.bytes < asset.bytes) return { encoding, asset: found };
    }
    return undefined;
  }

  async #compressed(asset: Asset, encoding: Encoding): Promise<Asset | undefined> {
    const key = `${asset.tag}-${encoding}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return kept;
    }
    const making = this.#making.get(key) ?? this.#make(key, asset, encoding);
    return making;
  }

  #make(key: string, asset: Asset, encoding: Encoding): Promise<Asset | undefined> | undefined {
    if (this.#making.size >= COMPRESSING_MAX) return undefined;
    const making = compress(key, asset, encoding)
      .then((made) => this.#keep(key, made))
      .finally(() => this.#making.delete(key));
    this.#making.set(key, making);
    return making;
  }

  #keep(key: string, made: Asset): Asset {
    this.#kept.set(key, made);
    this.#bytes += made.bytes;
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#bytes <= KEPT_BYTES_MAX) break;
      this.#kept.delete(oldest);
      this.#bytes -= bytes;
    }
    return made;
  }
}

async function compress(tag: string, asset: Asset, encoding: Encoding): Promise<Asset> {
  const whole = await asset.body(0, asset.bytes);
  const plain = whole instanceof Blob ? await whole.bytes() : whole;
  const bytes = new Uint8Array(await COMPRESS[encoding](plain));
  return { ...asset, tag, bytes: bytes.length, body: async (start, end) => bytes.subarray(start, end) };
}

/** What the client takes, the best first. */
function wanted(accepted: string | null): readonly Encoding[] {
  if (accepted === null || accepted.length > HEADER_LENGTH_MAX) return [];
  const negotiator = new Negotiator({ headers: { "accept-encoding": accepted } });
  const chosen = negotiator.encodings([...ENCODINGS, "identity"], { preferred: [...ENCODINGS] });
  // What a client likes less than the file as it is, it is not sent.
  const plain = chosen.indexOf("identity");
  return (plain < 0 ? chosen : chosen.slice(0, plain)) as Encoding[];
}
