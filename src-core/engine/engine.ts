export type DeviceName = 'cpu' | 'webgpu' | 'cuda';
export type DeviceChoice = DeviceName | 'auto';

export interface DeviceReport {
  name: DeviceName;
  available: boolean;
  /** Why not, where it is not available. */
  reason?: string;
  /** GFLOP/s of one 1024³ float32 product, where measured. */
  gflops?: number;
  /** E.g. the adapter's name. */
  detail?: string;
}
