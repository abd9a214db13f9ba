import type { Tensor } from 'onnxruntime-node';
import type { Floats } from '../tensor/matrix.ts';

/**
 * A row-major matrix where the engine computes, for use in several kernels: uploaded once on a
 * device that keeps tensors between runs, elsewhere the array itself. Made by `Engine.upload`.
 */
export class DeviceMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly dtype: 'float32' | 'float64';
  #tensor: Tensor | undefined;
  readonly #onDispose: (matrix: DeviceMatrix) => void;

  constructor(tensor: Tensor, onDispose: (matrix: DeviceMatrix) => void = () => undefined) {
    [this.rows, this.columns] = tensor.dims as [number, number];
    this.dtype = tensor.type as 'float32' | 'float64';
    this.#tensor = tensor;
    this.#onDispose = onDispose;
  }

  /** What the runtime takes. */
  get tensor(): Tensor {
    if (this.#tensor === undefined) throw new Error('the matrix was disposed of');
    return this.#tensor;
  }

  /** Free the device's memory; the matrix cannot be used after. */
  dispose(): void {
    if (this.#tensor?.location === 'gpu-buffer') this.#tensor.dispose();
    this.#tensor = undefined;
    this.#onDispose(this);
  }
}

/** What kernels take: rows in memory, or rows that are on the device already. */
export type Operand = Floats | DeviceMatrix;
