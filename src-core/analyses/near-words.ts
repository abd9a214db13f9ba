/** Levenshtein distance. */
function edits(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** The words that `text` was probably meant to be, nearest first: few edits, or one in the other. */
export function nearWords(text: string, words: readonly string[]): string[] {
  const wanted = text.toLowerCase();
  return words
    .map((word) => ({ word, distance: edits(wanted, word.toLowerCase()) }))
    .filter(
      ({ word, distance }) =>
        distance <= Math.max(1, Math.floor(word.length / 3)) ||
        (wanted.length >= 3 && (word.includes(wanted) || wanted.includes(word))),
    )
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ word }) => word);
}
