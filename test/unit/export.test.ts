import { expect, it } from 'vitest';
import { exportResult, toCsv } from '@repscope/core/results/export.ts';
import { headlineOf } from '@repscope/core/results/headline.ts';
import { summarize } from '@repscope/core/results/store.ts';
import { makeResult } from '../support/results.ts';

const layer = (uri: string, name: string) => ({
  uri,
  layer: name,
  shape: [10, 3] as [number, number],
  dtype: 'float32',
  sha256: uri,
});

it('writes CSV with layer names for layered values', () => {
  const csv = toCsv(
    makeResult({
      inputs: [layer('m.onnx', 'a'), layer('m.onnx', 'b,c'), layer('n.onnx', 'x')],
      values: { cka: [[1], [null]], note: 'say "hi"' },
    }),
  );
  expect(csv).toBe('key,i,j,k,value\ncka,a,x,,1\ncka,"b,c",x,,\nnote,,,,"say ""hi"""\n');
});

it('writes a report that no value can break out of', async () => {
  const result = makeResult({ warnings: ['</script><script>alert(1)</script>'] });
  const html = await exportResult(summarize(result), result, 'html');
  expect(html).not.toContain('<script>alert(1)');
  const data = /id="repscope-results">(.*?)<\/script>/s.exec(html)?.[1];
  expect(JSON.parse(data!)).toMatchObject([{ result: { warnings: result.warnings } }]);
});

it('sums up profiles and matrices in one line', () => {
  const oneModel = [layer('m.onnx', 'a'), layer('m.onnx', 'b')];
  expect(headlineOf(makeResult({ inputs: oneModel, values: { d: [2, 8.25] } }), 'd')).toBe(
    'd 2 → 8.25',
  );
  const matrix = {
    cka: [
      [1, 0.25],
      [0.25, 1],
    ],
  };
  expect(headlineOf(makeResult({ inputs: oneModel, values: matrix }), 'cka')).toBe(
    'cka first–last layer 0.25',
  );
  const twoModels = [...oneModel, layer('n.onnx', 'a'), layer('n.onnx', 'b')];
  expect(headlineOf(makeResult({ inputs: twoModels, values: matrix }), 'cka')).toBe(
    'cka 1 (mean of matching layers)',
  );
});
