/** What is known of each sequence, once for each of its rows. */
export function spreadOver(sequences: Uint32Array, values: readonly string[]): string[] {
  return values.flatMap((value, at) =>
    Array<string>(sequences[at + 1]! - sequences[at]!).fill(value),
  );
}
