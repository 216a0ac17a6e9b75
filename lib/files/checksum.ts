/** SHA-256 of files and of typed arrays, in pieces, so that the event loop stays free. */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { giveWay } from "../give-way.js";

const PIECE_BYTES = 2 ** 20;

/** Hexadecimal SHA-256 of a file. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES })) {
    hash.update(piece as Buffer);
  }
  return hash.digest("hex");
}

/** Hexadecimal SHA-256 of arrays, one after the other, each after its length. */
export async function hashArrays(...arrays: readonly ArrayBufferView[]): Promise<string> {
  const hash = createHash("sha256");
  for (const array of arrays) {
    hash.update(`${array.byteLength};`);
    await updateInPieces(hash, new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  return hash.digest("hex");
}

/** Hexadecimal SHA-256 of a text. */
export function hashText(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function updateInPieces(hash: Hash, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += PIECE_BYTES) {
    hash.update(bytes.subarray(offset, offset + PIECE_BYTES));
    await giveWay();
  }
}
