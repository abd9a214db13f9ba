import { openBytes, stopIfAborted } from '../../bytes/byte-source.ts';
import { hasNonFinite, isNumeric } from '../../tensor/convert.ts';
import { dtypeBytes, type DType } from '../../tensor/dtype.ts';

/** A tensor's little-endian elements in a file. */
export interface StoredTensor {
  name: string;
  dtype: DType;
  path: string;
  offset: number;
  length: number;
}

/** A multiple of every element size. */
const chunkBytes = 4 << 20;
const scanned = new Set<DType>(['float64', 'float32', 'float16', 'bfloat16']);

/** Names of the float tensors that hold NaN or an infinity; reads file by file, a block at a time. */
export async function findNonFinite(
  tensors: readonly StoredTensor[],
  signal?: AbortSignal,
): Promise<string[]> {
  const found = new Set<string>();
  for (const [path, inFile] of Map.groupBy(tensors, (tensor) => tensor.path)) {
    const source = await openBytes(path);
    try {
      for (const { name, dtype, offset, length } of inFile) {
        if (!isNumeric(dtype) || !scanned.has(dtype)) continue;
        const whole = length - (length % dtypeBytes[dtype]);
        for (let start = 0; start < whole && !found.has(name); start += chunkBytes) {
          stopIfAborted(signal);
          const size = Math.min(chunkBytes, whole - start);
          const bytes = await source.read(offset + start, size, signal);
          if (hasNonFinite(bytes, dtype)) found.add(name);
        }
      }
    } finally {
      await source.close();
    }
  }
  return [...found];
}
