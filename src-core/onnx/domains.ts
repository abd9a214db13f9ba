/** Operator sets that onnxruntime brings. */
const runtimeDomains = new Set([
  '',
  'ai.onnx',
  'ai.onnx.ml',
  'ai.onnx.training',
  'ai.onnx.preview',
  'ai.onnx.preview.training',
  'com.microsoft',
  'com.microsoft.nchwc',
  'com.microsoft.experimental',
  'com.ms.internal.nhwc',
]);

/** Whether operators of a domain are not onnxruntime's own: custom ones, or functions of the model. */
export const isForeign = (domain: string) => !runtimeDomains.has(domain);
