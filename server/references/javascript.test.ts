import { describe, expect, test } from 'vitest';
import { SourceTree } from './source-tree.ts';
import { syntaxOf } from './syntax.ts';

async function mentions(
  source: string,
  languageId = 'typescript',
  file = '/w/app/main.ts',
): Promise<[string, string, string | null][]> {
  const syntax = await syntaxOf(languageId)!;
  const tree = new SourceTree(syntax, source);
  const found = tree.mentions(file);
  tree.delete();
  return found.map(({ start, end, name, loader }) => [
    source.slice(start, end),
    name,
    loader?.name ?? null,
  ]);
}

const names = async (source: string, languageId?: string) =>
  (await mentions(source, languageId)).flatMap(([, name, loader]) =>
    loader === null ? [] : [name],
  );

describe.each(['typescript', 'typescriptreact', 'javascript', 'javascriptreact'])(
  '%s',
  (language) => {
    test.each([
      [
        "import * as ort from 'onnxruntime-node'; await ort.InferenceSession.create('m.onnx');",
        'm.onnx',
      ],
      [
        "import { InferenceSession as S } from 'onnxruntime-web'; S.create('m.onnx', {});",
        undefined,
      ],
      [
        "import { InferenceSession } from 'onnxruntime-node'; InferenceSession.create('m.onnx');",
        'm.onnx',
      ],
      ["const ort = require('onnxruntime-node'); ort.InferenceSession.create('m.onnx');", 'm.onnx'],
      [
        "const { InferenceSession } = require('onnxruntime-node'); InferenceSession.create('m.onnx');",
        'm.onnx',
      ],
      [
        "const ort = await import('onnxruntime-node'); ort.InferenceSession.create(`m.onnx`);",
        'm.onnx',
      ],
      [
        "import { AutoModel } from '@huggingface/transformers'; AutoModel.from_pretrained('org/name');",
        'org/name',
      ],
      [
        "import { pipeline } from '@xenova/transformers'; pipeline('fill-mask', 'org/name');",
        'org/name',
      ],
      [
        "import * as tf from '@tensorflow/tfjs'; tf.loadLayersModel('file://m/model.json');",
        'm/model.json',
      ],
      [
        "import * as tf from '@tensorflow/tfjs'; tf.loadGraphModel('./m/model.json');",
        './m/model.json',
      ],
      [
        "import { loadGraphModel } from '@tensorflow/tfjs'; loadGraphModel('m/model.json');",
        'm/model.json',
      ],
    ])('%s', async (source, name) => {
      // An alias of the class stands for the class.
      expect(await names(source, language)).toEqual([name ?? 'm.onnx']);
    });

    test.each([
      "import { pipeline } from 'node:stream'; pipeline(a, 'b');",
      "class InferenceSession { static create(x) {} } InferenceSession.create('m');",
      "Model.create('m');",
      "// ort.InferenceSession.create('m.onnx')",
      'ort.InferenceSession.create(buffer);',
      "ort.InferenceSession.create('https://example.org/m.onnx');",
      'tf.loadLayersModel();',
    ])('not one: %s', async (source) => {
      expect(await names(source, language)).toEqual([]);
    });
  },
);

describe('values followed', () => {
  const load = (expression: string, before = '') =>
    names(
      `import path, { join } from 'node:path'; import { fileURLToPath } from 'node:url';\n${before}\nort.InferenceSession.create(${expression});`,
    );

  test.each([
    ['p', "const p = 'a.onnx';", 'a.onnx'],
    ['p', "let p; p = 'a.onnx';", 'a.onnx'],
    ['p', "let p = 'a.onnx'; p = 'b.onnx';", 'b.onnx'],
    ['p', "let p = 'a'; p += '.onnx';", 'a.onnx'],
    ['p as string', "const p = 'a.onnx' satisfies string;", 'a.onnx'],
    ['p!', "const p = ('a.onnx');", 'a.onnx'],
    ['`${d}/a-${n}.onnx`', "const d = 'dir', n = 3;", 'dir/a-3.onnx'],
    ["'a-' + 3 + '.onnx'", '', 'a-3.onnx'],
    ["path.join('dir', 'a.onnx')", '', 'dir/a.onnx'],
    ["join(__dirname, '../a.onnx')", '', '/w/a.onnx'],
    ["path.resolve(import.meta.dirname, 'a.onnx')", '', '/w/app/a.onnx'],
    ["path.resolve('/abs', 'a.onnx')", '', '/abs/a.onnx'],
    ["join(path.dirname(fileURLToPath(import.meta.url)), 'a.onnx')", '', '/w/app/a.onnx'],
    ["new URL('./a.onnx', import.meta.url)", '', '/w/app/a.onnx'],
    ["fileURLToPath(new URL('../a.onnx', import.meta.url))", '', '/w/a.onnx'],
    ["new URL('a.onnx', import.meta.url).pathname", '', '/w/app/a.onnx'],
  ])('%s after %s', async (expression, before, name) => {
    expect(await load(expression, before)).toEqual([name]);
  });

  test.each([
    ['p', ''],
    ['p', 'const p = f();'],
    ['p', "let p = 'a.onnx'; if (x) { p = 'b.onnx'; }"],
    ['p', "let p = 'a.onnx'; if (x) p = 'b.onnx';"],
    ['p', "let p = 'a.onnx'; function f() { p = 'b.onnx'; }"],
    ['p', 'let p = 1; p++;'],
    ['p', "{ const p = 'a.onnx'; }"],
    ['p', 'const { p } = options;'],
    ['p', "const p = x ? 'a.onnx' : 'b.onnx';"],
    ['`${d}/a.onnx`', ''],
    ["join(d, 'a.onnx')", ''],
    ["new URL('./a.onnx', base)", ''],
    ['1 + 2', ''],
  ])('not %s after %s', async (expression, before) => {
    expect(await load(expression, before)).toEqual([]);
  });

  test('blocks and functions hide outer names', async () => {
    const source = [
      "const p = 'outer.onnx';",
      "{ const p = 'block.onnx'; ort.InferenceSession.create(p); }",
      'function f(p: string) { ort.InferenceSession.create(p); }',
      'const g = (q: string) => ort.InferenceSession.create(p);',
      'for (const p of list) ort.InferenceSession.create(p);',
      'try {} catch (p) { ort.InferenceSession.create(p); }',
      'ort.InferenceSession.create(p);',
    ].join('\n');
    expect(await names(source)).toEqual(['block.onnx', 'outer.onnx', 'outer.onnx']);
  });

  test('strings with a model ending', async () => {
    expect(await mentions("const p = 'dir/a.onnx'; f(`b.gguf`); g('c.json');")).toEqual([
      ["'dir/a.onnx'", 'dir/a.onnx', null],
      ['`b.gguf`', 'b.gguf', null],
    ]);
    expect(await mentions("unknown + '/a.onnx'; join(unknown, 'a.onnx');")).toEqual([
      ["'a.onnx'", 'a.onnx', null],
    ]);
    expect(await mentions("import { join } from 'path'; join(unknown, 'a.onnx');")).toEqual([]);
  });
});
