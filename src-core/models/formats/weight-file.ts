import { openBytes } from '../../bytes/byte-source.ts';
import { readSafetensorsHeader, type SafetensorsEntry } from '../../tensor/safetensors.ts';
import { realPlace } from './checkpoint-files.ts';

/** A safetensors file of a checkpoint with its tensors. */
export interface WeightFile {
  path: string;
  bytes: number;
  tensors: SafetensorsEntry[];
  /** The folder and name of the file itself, links followed. */
  place: { folder: string; name: string };
}

/** Reads the header. @throws UserError */
export async function openWeightFile(path: string): Promise<WeightFile> {
  const source = await openBytes(path);
  try {
    const { tensors } = await readSafetensorsHeader(source);
    return {
      path,
      bytes: source.size,
      tensors: [...tensors.values()],
      place: await realPlace(path),
    };
  } finally {
    await source.close();
  }
}
