/** Reads PNG files of eight bits a channel, without interlacing, as browsers write them. */
import { inflateSync } from "node:zlib";

/** A picture. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** The colour at a place, as red, green, blue and opacity. */
  at(x: number, y: number): readonly [number, number, number, number];
}

/** @throws {Error} when it is none */
export function readPng(bytes: Uint8Array): Picture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0) !== 0x89504e47) throw new Error("Cannot read the picture: it is no PNG");
  const parts: Uint8Array[] = [];
  let [width, height, channels] = [0, 0, 4];
  for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === "IHDR") {
      [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
      channels = bytes[at + 17] === 2 ? 3 : 4;
    } else if (type === "IDAT") {
      parts.push(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
    }
  }
  const lines = unfilter(inflateSync(Buffer.concat(parts)), width * channels, height, channels);
  return {
    ...{ width, height },
    at(x, y) {
      const place = (y * width + x) * channels;
      const [r = 0, g = 0, b = 0, a = 255] = lines.subarray(place, place + channels);
      return [r, g, b, a];
    },
  };
}

/** Undoes the filter that each line names in its first byte. */
function unfilter(data: Uint8Array, lineBytes: number, height: number, step: number): Uint8Array {
  const out = new Uint8Array(lineBytes * height);
  for (let y = 0; y < height; y += 1) {
    const filter = data[y * (lineBytes + 1)];
    for (let x = 0; x < lineBytes; x += 1) {
      const to = y * lineBytes + x;
      const left = x < step ? 0 : (out[to - step] as number);
      const up = y === 0 ? 0 : (out[to - lineBytes] as number);
      const corner = x < step || y === 0 ? 0 : (out[to - lineBytes - step] as number);
      const added = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter ?? 0] ?? 0;
      out[to] = (data[y * (lineBytes + 1) + 1 + x] as number) + added;
    }
  }
  return out;
}

function paeth(left: number, up: number, corner: number): number {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
