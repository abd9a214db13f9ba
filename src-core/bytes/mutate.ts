// For tests: damaged variants of a sound file.
import fc from 'fast-check';
import type { Random } from '../analyses/random.ts';
import { UserError } from '../errors.ts';

type Damage = (bytes: Uint8Array) => Uint8Array;

/** Taken modulo the length, so that all places are about as likely. */
const position = fc.nat();
const at = (bytes: Uint8Array, place: number) => (bytes.length === 0 ? 0 : place % bytes.length);

const setByte = fc.tuple(position, fc.integer({ min: 0, max: 255 })).map(
  ([place, value]): Damage =>
    (bytes) =>
      bytes.length === 0 ? bytes : bytes.with(at(bytes, place), value),
);
const truncate = position.map(
  (place): Damage =>
    (bytes) =>
      bytes.slice(0, at(bytes, place)),
);
const repeat = fc
  .tuple(position, fc.integer({ min: 1, max: 64 }))
  .map(([place, length]): Damage => (bytes) => {
    const start = at(bytes, place);
    const part = bytes.slice(start, start + length);
    return Uint8Array.from([...bytes.slice(0, start), ...part, ...bytes.slice(start)]);
  });
const overwrite = fc
  .tuple(position, fc.constantFrom(0x00, 0x7f, 0x80, 0xff), fc.integer({ min: 2, max: 10 }))
  .map(
    ([place, value, length]): Damage =>
      (bytes) =>
        bytes.slice().fill(value, at(bytes, place), at(bytes, place) + length),
  );

/** Sound bytes with one to four random damages. */
export function damaged(file: Uint8Array): fc.Arbitrary<Uint8Array> {
  // Buffer's own slice would place memory.
  const sound = new Uint8Array(file);
  const damages = fc.oneof(setByte, setByte, truncate, repeat, overwrite);
  return fc
    .array(damages, { minLength: 1, maxLength: 4 })
    .map((list) => list.reduce<Uint8Array>((bytes, damage) => damage(bytes), sound));
}

/** Runs `use`; gives false where it throws an error meant for users, and lets any other through. */
export async function succeeds(use: () => Promise<unknown>): Promise<boolean> {
  try {
    await use();
    return true;
  } catch (error) {
    if (error instanceof UserError && !error.message.includes('\n')) return false;
    throw error;
  }
}

/** What writers of hostile files put in place of honest numbers and names. */
const hostile = [
  ...[0n, 1n, 0xffn, 0xffffn, 0x7fff_ffffn, 0xffff_ffffn, 1n << 40n, -1n, -(1n << 63n)].flatMap(
    (value) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt.asIntN(64, value));
      return [bytes, bytes.subarray(0, 4)];
    },
  ),
  ...['../../../etc/passwd', '/etc/passwd', '-1', '1e999', 'null', '[[', '{"', '"'].map((text) =>
    Buffer.from(text),
  ),
];

/** A copy of a sound file with one to four damages drawn from `random`; quick, for long runs. */
export function damagedCopy(sound: Uint8Array, random: Random): Uint8Array {
  let bytes = Buffer.from(sound);
  for (let left = 1 + random.below(4); left > 0 && bytes.length > 0; left--) {
    const at = random.below(bytes.length);
    const kind = random.below(8);
    if (kind < 3) {
      bytes[at] = random.below(256);
    } else if (kind < 4) {
      bytes[at] = bytes[at]! ^ (1 << random.below(8));
    } else if (kind < 6) {
      hostile[random.below(hostile.length)]!.copy(bytes, at);
    } else if (kind < 7) {
      const part = bytes.subarray(at, at + 1 + random.below(64));
      const end = random.below(2) === 0 ? at : at + part.length;
      bytes = Buffer.concat([bytes.subarray(0, end), part, bytes.subarray(end)]);
    } else {
      bytes = bytes.subarray(0, at);
    }
  }
  return bytes;
}
