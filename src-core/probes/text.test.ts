import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseTableSpec } from './table.ts';
import { defaultTextProbe, readTextProbe } from './text.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'repscope-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

test('the embedded set: 160 different sentences, 20 of each of 8 topics', () => {
  const { spec, texts, labels } = defaultTextProbe();
  expect(spec).toBe('default');
  expect(new Set(texts).size).toBe(160);
  const counts = Map.groupBy(labels!, (label) => label);
  expect(Array.from(counts.values(), (group) => group.length)).toEqual(Array(8).fill(20));
});

test('the embedded set is the one that stored results refer to', () => {
  // Changing a sentence changes what "default" means: cached activations and old runs no longer
  // compare. Python: hashlib.sha256(json.dumps(texts, ensure_ascii=False, separators=(',', ':')).encode())
  expect(defaultTextProbe().sha256).toBe(
    '463a062c204e58b3daa3995de3a54e794b22a0129ff5194eb32cb46d1b07ee98',
  );
});

describe('reads', () => {
  test('.txt: one a line, whatever the line ends', async () => {
    const path = await file('a.txt', '\uFEFFone\r\n\r\n two, three \nfour');
    const probe = await readTextProbe(path);
    expect(probe).toMatchObject({ spec: path, texts: ['one', ' two, three ', 'four'] });
    expect(probe.labels).toBeUndefined();
  });

  test('.jsonl: text and label', async () => {
    const path = await file(
      'a.jsonl',
      '{"text": "a\\nb", "label": "x"}\n{"label": 2, "text": "c"}\n\n',
    );
    expect(await readTextProbe(path)).toMatchObject({ texts: ['a\nb', 'c'], labels: ['x', '2'] });
  });

  test('.csv: quoted fields, columns in any order', async () => {
    const path = await file('a.csv', 'id,label,text\n1,x,"one, ""two"""\n2,y,"three\nfour"\n');
    expect(await readTextProbe(path)).toMatchObject({
      texts: ['one, "two"', 'three\nfour'],
      labels: ['x', 'y'],
    });
  });

  test('.tsv: columns divided by tabs', async () => {
    const path = await file('a.tsv', 'text\tlabel\none, two\tx\nthree\ty\n');
    expect(await readTextProbe(path)).toMatchObject({
      texts: ['one, two', 'three'],
      labels: ['x', 'y'],
    });
  });

  test('columns of other names, and groups', async () => {
    const { columns } = parseTableSpec('a.csv#text=body&label=stars&group=author')!;
    const path = await file('named.csv', 'body,stars,author\na,5,ann\nb,1,bob\n');
    expect(await readTextProbe(path, columns)).toMatchObject({
      texts: ['a', 'b'],
      labels: ['5', '1'],
      groups: ['ann', 'bob'],
    });
  });

  test('labels only where every text has one', async () => {
    const path = await file('b.jsonl', '{"text": "a", "label": "x"}\n{"text": "c"}\n');
    expect((await readTextProbe(path)).labels).toBeUndefined();
  });

  test('the same texts to the same hash, from any kind of file', async () => {
    const one = await readTextProbe(await file('c.txt', 'one\ntwo\n'));
    const two = await readTextProbe(await file('c.csv', 'text\none\ntwo\n'));
    const three = await readTextProbe(await file('d.txt', 'two\none\n'));
    expect(two.sha256).toBe(one.sha256);
    expect(three.sha256).not.toBe(one.sha256);
  });
});

describe('refuses', () => {
  test.each([
    ['empty.txt', ' \n\n', 'empty', ''],
    ['single.txt', 'only one\n', 'too-few-samples', 'one text'],
    ['header.csv', 'text,label\n', 'too-few-samples', 'no text'],
    ['broken.jsonl', '{"text": "a"}\n{"text": \n', 'usage', 'broken.jsonl:2'],
    ['number.jsonl', '{"text": "a"}\n5\n', 'usage', 'number.jsonl:2'],
    ['notext.jsonl', '{"sentence": "a"}\n', 'usage', 'no "text"'],
    ['null.jsonl', 'null\n', 'usage', 'no "text"'],
    ['notext.csv', 'sentence,label\na,x\nb,y\n', 'usage', 'called text; it has sentence, label'],
    ['ragged.csv', 'text,label\na,x\nb,y,z\n', 'usage', 'not sound CSV'],
    ['image.png', 'x', 'usage', 'not a text probe'],
  ])('%s', async (name, content, code, words) => {
    const path = await file(name, content);
    const error = await readTextProbe(path).then(
      () => undefined,
      (reason: unknown) => reason as { code: string; message: string },
    );
    expect(error).toMatchObject({ name: 'UserError', code });
    expect(error?.message).toContain(path);
    expect(error?.message).toContain(words);
    expect(error?.message).not.toContain('\n');
  });

  test('a file that is absent, and a folder', async () => {
    await expect(readTextProbe(join(folder, 'no.txt'))).rejects.toMatchObject({ code: 'missing' });
    const nested = await mkdtemp(join(folder, 'x-'));
    await expect(readTextProbe(`${nested}.txt`)).rejects.toMatchObject({ code: 'missing' });
    await expect(readTextProbe(nested)).rejects.toMatchObject({ code: 'usage' });
  });

  test('a column that is absent, and labels of some rows only', async () => {
    const path = await file('some.jsonl', '{"text":"a","stars":1}\n{"text":"b"}\n');
    await expect(readTextProbe(path, { label: 'stars' })).rejects.toThrow(
      /1 of 2 rows have no label/,
    );
    await expect(readTextProbe(path, { group: 'author' })).rejects.toThrow(
      /no column called author; it has text, stars/,
    );
  });

  test('what is not UTF-8', async () => {
    const path = join(folder, 'latin1.txt');
    await writeFile(path, Buffer.from('caf\u00e9\nth\u00e9\n', 'latin1'));
    await expect(readTextProbe(path)).rejects.toThrow(/is not UTF-8; save it as UTF-8/);
  });

  test('words behind # that name no column', () => {
    for (const spec of ['a.csv#body', 'a.csv#text=', 'a.csv#title=x']) {
      expect(() => parseTableSpec(spec)).toThrow(/does not name a column/);
    }
    expect(parseTableSpec('a.png#text=x')).toBeUndefined();
  });
});
