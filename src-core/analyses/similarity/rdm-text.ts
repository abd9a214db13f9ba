// What analyses of dissimilarity matrices say alike of what they do.

export const distanceText = `Dissimilarities of samples x, y with P units (where there are repeats, of their means): sqeuclidean ‖x − y‖²/P; euclidean ‖x − y‖; correlation 1 − r of the units; cosine 1 − cos; mahalanobis (x − y)ᵀΣ⁻¹(x − y)/P; crossnobis, the mean over repeats f of (x̄ − ȳ)ᵀ Σ⁻¹ (x_f − y_f)/P with x̄, ȳ means of the other repeats, which is unbiased and may be negative.
Σ is the covariance of residuals about the means over repeats, with n(R − 1) degrees of freedom, its off-diagonal entries shrunk by 1 − λ, λ = Σ Var(r_ij)/Σ r_ij² over units i ≠ j, within [0, 1] (Schäfer and Strimmer 2005); of samples without repeats their covariance (n − 1), shrunk where n − 1 ≤ P.`;

export const comparisonText = `Similarity of two lists of N dissimilarities: spearman and pearson correlation; cosine; kendall-a (concordant − discordant)/(N(N−1)/2); kendall-b, that with ties taken out of the denominator; rho-a 12·Σ(r − r̄)(s − s̄)/(N³ − N) of mean ranks; whitened-cosine, the cosine of −½HDH of both matrices, H = I − 11ᵀ/n (of squared Euclidean distances it is biased linear CKA).`;

export const resamplingText = `Null (Mantel): the samples of the second side are permuted, rows and columns of its matrix together; p = (1 + #{null ≥ observed}) / (1 + permutations).
Interval: samples are drawn with replacement; pairs of copies of one sample are left out (of whitened-cosine they count as the diagonal does, as in biased CKA), and dissimilarities are ranked anew. The 2.5 % and 97.5 % percentiles are laid around the estimate.`;

export const rdmCitation =
  'Kriegeskorte, Mur and Bandettini, Representational similarity analysis – connecting the branches of systems neuroscience, Frontiers in Systems Neuroscience 2008; Nili, Wingfield, Walther, Su, Marslen-Wilson and Kriegeskorte, A Toolbox for Representational Similarity Analysis, PLOS Computational Biology 2014; Walther, Nili, Ejaz, Alink, Kriegeskorte and Diedrichsen, Reliability of dissimilarity measures for multi-voxel pattern analysis, NeuroImage 2016; Schäfer and Strimmer, A Shrinkage Approach to Large-Scale Covariance Matrix Estimation, 2005';
