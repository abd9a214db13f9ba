import { expect, test } from 'vitest';
import { syntaxOf } from './references/syntax.ts';
import type { Mention } from './references/extract.ts';
import { SourceTree } from './references/source-tree.ts';
import { SourceDocument } from './source-document.ts';

const uri = 'file:///w/main.py';

/** What a document that was never edited says of the same text. */
async function fresh(text: string): Promise<Mention[]> {
  const tree = new SourceTree((await syntaxOf('python'))!, text);
  const found = tree.mentions('/w/main.py');
  tree.delete();
  return found;
}

/** Reproducible numbers in [0, 1): Park and Miller's minimal standard generator. */
function randoms(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

test('edits keep mentions in step with the text, non-ASCII and line ends included', async () => {
  const pieces = [
    'import onnx\n',
    'onnx.load("é😀.onnx")\n',
    'P = "a.onnx"\r\n',
    'x("b.onnx")',
    '"',
    '\n',
    'onnx.load(P)\n',
    '# ',
    'def f():\n  ',
    ')',
    '\r',
  ];
  const random = randoms(7);
  const pick = (limit: number) => Math.floor(random() * limit);
  const document = new SourceDocument(uri, 'python', 1, 'import onnx\nonnx.load("a.onnx")\n');
  await document.mentions();
  for (let version = 2; version < 150; version++) {
    const changes = Array.from({ length: 1 + pick(2) }, () => {
      const text = document.document;
      const length = text.getText().length;
      const start = pick(length + 1);
      // Deletions are as long as insertions on average, so that the text stays short.
      const end = Math.min(length, start + (pick(2) === 0 ? 0 : pick(40)));
      return {
        range: { start: text.positionAt(start), end: text.positionAt(end) },
        text: pieces[pick(pieces.length)]!,
      };
    });
    // The second change of one message is given in terms of the text after the first.
    for (const change of changes) {
      const at = document.document;
      document.update(
        [
          {
            ...change,
            range: {
              start: at.positionAt(at.offsetAt(change.range.start)),
              end: at.positionAt(at.offsetAt(change.range.end)),
            },
          },
        ],
        version,
      );
    }
    const expected = await fresh(document.document.getText());
    // Every other version is looked at in one place only, as a hover does.
    const { start } = expected[pick(expected.length)] ?? { start: pick(100) };
    const first = expected.find((mention) => mention.start <= start && start <= mention.end);
    expect(await document.mentionAt(start)).toEqual(first);
    if (version % 2 === 0) expect(await document.mentions()).toEqual(expected);
  }
  document.dispose();
});

test('a change without a range replaces the whole text', async () => {
  const document = new SourceDocument(uri, 'python', 1, 'import onnx\nonnx.load("a.onnx")\n');
  await document.mentions();
  document.update([{ text: 'import onnx\n\nonnx.load("b.onnx")' }], 2);
  expect((await document.mentions()).map(({ name, start }) => [name, start])).toEqual([
    ['b.onnx', 23],
  ]);
});

test('other languages have no mentions', async () => {
  const document = new SourceDocument('file:///w/x.rs', 'rust', 1, 'onnx.load("a.onnx")');
  expect(await document.mentions()).toEqual([]);
});
