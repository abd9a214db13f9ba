import { z } from 'zod';
import { UserError } from '../../errors.ts';
import { classesOf } from '../classes.ts';
import type { AnalysisContext, AnalysisDefinition, Side } from '../definition.ts';
import { layerValues } from '../layers.ts';
import { keepClasses } from './class-moments.ts';
import { gramTarget, orthogonalTarget, simplexTarget, type Target } from './class-pairs.ts';
import {
  fitClassifier,
  openClassifier,
  ownClassifier,
  type Classifier,
} from './neural-collapse-classifier.ts';
import { measureLayer, type LayerCollapse } from './neural-collapse-layer.ts';
import { collapseViews } from './neural-collapse-views.ts';
import { warnOfClasses, warnOfLayers } from './neural-collapse-warnings.ts';

const params = z.object({
  W: z
    .string()
    .default('')
    .describe(
      'FILE with the weights of the linear classifier, classes × units; empty for the one that the model ends in',
    ),
  b: z.string().default('').describe('FILE with its offsets, one a class; empty for none'),
  target: z
    .enum(['simplex', 'orthogonal', 'gram'])
    .default('simplex')
    .describe('Frame that class means are held against'),
  gram: z
    .string()
    .default('')
    .describe('target=gram: FILE with the inner products of the frame, classes × classes'),
  minSamples: z
    .int()
    .min(1)
    .default(1)
    .describe('Classes of fewer samples are left out; 2 for those that have a variance'),
});
type Params = z.infer<typeof params>;

export const neuralCollapse: AnalysisDefinition<typeof params> = {
  id: 'neural-collapse',
  family: 'collapse',
  title: 'Neural collapse',
  summary:
    'How far samples have shrunk to the means of their classes, and those means to a symmetric frame.',
  arity: 1,
  labels: 'required',
  params,
  values: {
    nc1: 'variability within classes against that between them, 0 when collapsed',
    'nc2.normCv':
      'spread of the lengths of centred class means, as a share of their mean; 0 when equal',
    'nc2.cosStd':
      'spread of the cosines between class means (about those of the target); 0 when equiangular',
    'nc2.angle': 'mean distance of those cosines from the cosines of the target, 0 when on target',
    'nc2.normCvW': 'nc2.normCv of the rows of W as they are; null without W',
    'nc2.cosStdW': 'nc2.cosStd of the rows of W; null without W',
    'nc2.angleW': 'nc2.angle of the rows of W; null without W',
    nc3: 'squared distance of classifier and class means, each of Frobenius norm 1; 0 when self-dual, at most 4; null without W',
    nc4: 'share of samples that the classifier puts in another class than the nearest mean does, 0 to 1; null without W',
    cdnv: 'class-distance normalised variance, mean over pairs of classes; 0 when collapsed',
    'cdnv.median': 'its median over pairs; null beyond about 4,000 classes',
    'gnc2.mean':
      'mean over pairs of log(1/distance) of unit class means; −½·log(2C/(C−1)) for a simplex',
    'gnc2.var': 'variance over pairs of the same, 0 when means are spread evenly over the sphere',
    unc3: 'variance over classes of ⟨w_c, class mean⟩, 0 when duality is uniform; null without W',
    'unc3.cos': 'variance over classes of the cosine of the same two; null without W',
    etfError:
      'Frobenius distance of the Gram matrix of class means from that of the target, each of norm 1; 0 to 2',
    vci: 'variability collapse index, 0 when collapsed and 1 − d/(n−1) on average for features that know nothing of the classes',
  },
  headline: 'nc1',
  formula: `h_i the n samples, μ_c the mean of class c, C classes, μ_G = (1/C)Σ_c μ_c the mean of class means (not of samples), M the C × d matrix of rows m_c = μ_c − μ_G.
Σ_W = (1/n)Σ_i (h_i − μ_c(i))(h_i − μ_c(i))ᵀ; Σ_B = MᵀM/C. Eigenvalues below 1e-12 of the largest count as zero in every inverse and rank.
nc1 = tr(Σ_W Σ_B⁺)/C (Papyan et al. 2020).
nc2.normCv = deviation/mean of ‖m_c‖; with cos_cc' the cosine of m_c and m_c' and t_cc' that of the target: nc2.cosStd = deviation of cos_cc' − t_cc', nc2.angle = mean|cos_cc' − t_cc'|, over pairs c ≠ c'.
nc3 = ‖W/‖W‖_F − M/‖M‖_F‖²_F; nc4 = share of i with argmax_c ⟨w_c, h_i⟩ + b_c ≠ argmin_c ‖h_i − μ_c‖, over the classes that have samples.
cdnv = mean over pairs of (σ_c² + σ_c'²)/(2‖μ_c − μ_c'‖²), σ_c² the mean of ‖h − μ_c‖² over class c (Galanti et al. 2022).
gnc2 = mean and variance over pairs of log(1/‖m_c/‖m_c‖ − m_c'/‖m_c'‖‖); unc3 = variance over classes of ⟨w_c, m_c⟩ (Wu and Papyan 2024).
etfError = ‖MMᵀ/‖MMᵀ‖_F − T/‖T‖_F‖_F (Kothapalli 2023).
vci = 1 − tr(Σ_T⁺ Σ_B)/rank(Σ_B), Σ_T = Σ_W + Σ_B (Xu and Liu 2023); with classes of one size Σ_T is the covariance of the samples.
target=simplex: T = I − 11ᵀ/C, t = −1/(C−1). target=orthogonal, for imbalanced classes without biases: t = 0 and T is the diagonal of MMᵀ, so that lengths are free. target=gram: T = G from the file, t_cc' = G_cc'/√(G_cc G_c'c'), and nc2.normCv is of ‖m_c‖/√G_cc. Orthogonal and given frames need not add up to zero: with them m_c = μ_c, about the origin, in nc2, gnc2, nc3, unc3 and etfError; nc1, nc4, cdnv and vci are those of the simplex.
Variances and deviations are population ones. W and b are those that a parameter names, else, for an ONNX model, those of the linear layer that it ends in, with the layer that feeds it. Classes are in ascending order of their labels (numbers by value); rows of W and G follow that order, or are picked by label where labels are row numbers of W.`,
  invariances: [
    'orthogonal transformation (rotation, reflection, permutation of units), of W too',
    'isotropic scaling (all but unc3)',
    'translation (with target=simplex; of nc4 with b moved along)',
    'invertible linear maps (vci alone)',
    'permutation of the samples with their labels',
  ],
  invariantTo: ['permutation', 'orthogonal', 'scaling', 'translation'],
  misleads:
    'A simplex has at most d + 1 corners: with more classes nc2.angle and etfError cannot reach 0, and gnc2.var is the one to look at. An imbalanced model may have collapsed to another frame (target=orthogonal). Few samples a class pull nc1, cdnv and vci down, one sample gives a class no variance at all; vci is 0 for any features with n ≤ d + 1. nc1 changes under linear maps that a linear classifier does not notice, vci does not. Collapse on training samples says nothing of new ones: measure both. Labels must be the classes that the model was trained on.',
  citation:
    'Papyan, Han and Donoho, Prevalence of neural collapse during the terminal phase of deep learning training, PNAS 2020; Galanti, György and Hutter, On the Role of Neural Collapse in Transfer Learning, ICLR 2022; Xu and Liu, Quantifying the Variability Collapse of Neural Networks, ICML 2023; Kothapalli, Neural Collapse: A Review on Modelling Principles and Generalization, TMLR 2023; Wu and Papyan, Linguistic Collapse: Neural Collapse in (Large) Language Models, NeurIPS 2024',

  async run(sides, settings, context) {
    const side = sides[0]!;
    const all = classesOf(side);
    const classes = keepClasses(all, settings.minSamples);
    warnOfClasses(all, classes, settings, context);
    const given = await openClassifier(settings.W, settings.b, context);
    checkClassifier(side, given);
    const classifier = given ?? (await ownClassifier(side, all.names, context));
    const target = await targetOf(settings, all.names, classes.names, context);
    const layers: LayerCollapse[] = [];
    for (const [index, rows] of side.layers.entries()) {
      const step = (fraction: number) =>
        context.step((index + fraction) / side.layers.length, `Collapse of ${rows.label}`);
      const reads = classifier && (classifier.layer ?? rows.label) === rows.label;
      const fitted = reads
        ? fitClassifier(classifier, rows.d, all.names, classes.names)
        : undefined;
      layers.push(await measureLayer(rows, classes, fitted, target, context, step));
    }
    warnOfLayers(layers, settings, classifier, context);
    return {
      values: layerValues(
        side,
        layers.map(({ values }) => values),
      ),
      estimator: `neural-collapse.${settings.target}`,
      preprocessing:
        settings.target === 'simplex'
          ? 'centred on the mean of class means'
          : 'class means about the origin',
      views: collapseViews(side, layers, settings.target),
    };
  },
};

/** @throws UserError where a classifier fits no layer. */
function checkClassifier({ layers }: Side, classifier: Classifier | undefined): void {
  if (!classifier) return;
  const { name, rows, columns } = classifier;
  if (layers.some(({ d }) => d === rows || d === columns)) return;
  const widths = [...new Set(layers.map(({ d }) => d))].join(', ');
  throw new UserError(
    'wrong-shape',
    name,
    `is ${rows} × ${columns}, and the samples have ${widths} units`,
    'give the weights as classes × units, of the layer that feeds the classifier',
  );
}

async function targetOf(
  { target, gram }: Params,
  all: readonly string[],
  kept: readonly string[],
  context: AnalysisContext,
): Promise<Target> {
  if (target !== 'gram') {
    return target === 'simplex' ? simplexTarget(kept.length) : orthogonalTarget;
  }
  if (gram === '') {
    throw new UserError(
      'usage',
      'target=gram',
      'needs the inner products of the frame',
      'name a file of classes × classes with gram=FILE',
    );
  }
  const file = await context.open(gram);
  const classes = all.length;
  if (file.n !== classes || file.d !== classes) {
    throw new UserError(
      'wrong-shape',
      file.label,
      `is ${file.n} × ${file.d}, and there are ${classes} classes`,
      'give inner products of classes × classes',
    );
  }
  const whole = await file.rows(0, classes);
  const rowOf = kept.map((name) => all.indexOf(name));
  const matrix = Float64Array.from(rowOf.flatMap((a) => rowOf.map((b) => whole[a * classes + b]!)));
  if (rowOf.some((_, at) => !(matrix[at * rowOf.length + at]! > 0))) {
    throw new UserError(
      'wrong-shape',
      file.label,
      'has an inner product of a class with itself that is not positive',
      'give the Gram matrix of the frame',
    );
  }
  return gramTarget(matrix, rowOf.length);
}
