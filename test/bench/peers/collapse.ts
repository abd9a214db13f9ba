// Neural collapse of 100 classes, 100,000 × 512, against NumPy, and against the package neural_collapse
// where PYTHON has it (with PyTorch). Run: node test/bench/peers/collapse.ts PYTHON
import { spawnSync } from 'node:child_process';
import { Random } from '../../../src-core/analyses/random.ts';
import {
  compareWithPeers,
  dataFolder,
  gaussians,
  writeLabels,
  writeNpy,
  type Case,
} from './harness.ts';

const [samples, units, classes] = [100_000, 512, 100];
const [folder, remove] = await dataFolder();

const python = process.argv[2] ?? 'python3';
const hasPackage = spawnSync(python, ['-c', 'import neural_collapse']).status === 0;

try {
  const random = new Random(1);
  const means = gaussians(classes * units, 2);
  const rows = gaussians(samples * units, 3);
  const labels = Uint8Array.from({ length: samples }, () => random.below(classes));
  for (let row = 0, at = 0; row < samples; row++) {
    for (let unit = 0; unit < units; unit++, at++) {
      rows[at]! += means[labels[row]! * units + unit]! + 0.5;
    }
  }
  const sides = [await writeNpy(folder, 'x', [samples, units], rows)];
  const labelFile = await writeLabels(folder, 'y', labels);
  const W = await writeNpy(folder, 'W', [classes, units], means);
  const b = await writeNpy(folder, 'b', [classes, 1], gaussians(classes, 4));
  const params = { W, b };
  const title = '100 classes, 100,000 × 512';
  const peer = (run: string) => ({ run, sides, params: { ...params, labels: labelFile } });
  const cases: Case[] = [
    {
      title: `every value, ${title}`,
      ours: { run: 'neural-collapse', sides, params, labels: labelFile, value: 'vci' },
      peers: { NumPy: peer('every_value') },
    },
    {
      title: `NC1 to NC4, ${title}`,
      ours: { run: 'neural-collapse', sides, params, labels: labelFile },
      peers: {
        NumPy: peer('four_values'),
        ...(hasPackage ? { 'neural_collapse (PyTorch)': peer('package') } : {}),
      },
    },
  ];
  await compareWithPeers(cases, 'collapse.py', python);
} finally {
  await remove();
}
