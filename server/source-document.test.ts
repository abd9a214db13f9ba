import { expect, test } from 'vitest';
import { syntaxOf } from './references/syntax.ts';
import type { Mention } from './references/extract.ts';
import { SourceTree } from './references/source-tree.ts';
import { SourceDocument } from './source-document.ts';

const uri = 'file:///w/main.py';

/** What a document that was never edited says of the same text. */
async function fresh(languageId: string, text: string): Promise<Mention[]> {
  const tree = new SourceTree((await syntaxOf(languageId))!, text);
  const found = tree.mentions('/w/main.py');
  tree.delete();
  return found;
}

const pieces: Record<string, string[]> = {
  python: [
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
  ],
  typescript: [
    "import * as ort from 'onnxruntime-node';\n",
    "ort.InferenceSession.create('é😀.onnx');\n",
    "let p = 'a.onnx';\r\n",
    "p = 'b.onnx'\n",
    'ort.InferenceSession.create(`${p}`)\n',
    'function f() {\n',
    '}',
    "'",
    '`',
    '// ',
    '\n',
  ],
};

/** Reproducible numbers in [0, 1): Park and Miller's minimal standard generator. */
function randoms(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

test.each(Object.keys(pieces))('edits keep mentions in step: %s', async (languageId) => {
  const random = randoms(7);
  const pick = (limit: number) => Math.floor(random() * limit);
  const inserts = pieces[languageId]!;
  const document = new SourceDocument(uri, languageId, 1, inserts.slice(0, 3).join(''));
  await document.mentions();
  for (let version = 2; version < 200; version++) {
    // A message may carry several changes, each in terms of the text after the one before.
    for (let changes = 1 + pick(2); changes > 0; changes--) {
      const text = document.document;
      const length = text.getText().length;
      const start = pick(length + 1);
      // Deletions are as long as insertions on average, so that the text stays short.
      const end = Math.min(length, start + (pick(2) === 0 ? 0 : pick(40)));
      const range = { start: text.positionAt(start), end: text.positionAt(end) };
      document.update([{ range, text: inserts[pick(inserts.length)]! }], version);
    }
    const expected = await fresh(languageId, document.document.getText());
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
