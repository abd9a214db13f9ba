// The engine's vocabulary. Every kernel takes one block of rows, or two, that the caller holds; what
// is larger is added up or put together over blocks. Each runs as an ONNX graph that is made for its
// element types once, on whichever device the engine has.
export * from './distance-kernels.ts';
export * from './product-kernels.ts';
export * from './reduction-kernels.ts';
export * from './resampling-kernels.ts';
