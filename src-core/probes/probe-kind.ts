import { UserError } from '../errors.ts';
import type { Feed, Target } from './feed.ts';

/** A probe set that is open but not yet in the form that some model takes. */
export interface ProbeSet {
  /** @throws UserError where the samples do not fit the model's inputs. */
  feed(target: Target): Promise<Feed>;
}

/** A kind of probe set, known by how its specs are written. */
export interface ProbeKind {
  /** The specs it takes, for people. */
  readonly forms: string;
  matches(spec: string, cwd: string): boolean | Promise<boolean>;
  open(spec: string, cwd: string): Promise<ProbeSet>;
}

/** A probe set is for comparing samples. */
export function assertSeveral(count: number, where: string, one: string, none: string): void {
  if (count >= 2) return;
  throw new UserError(
    'too-few-samples',
    where,
    `holds ${count === 1 ? one : none}`,
    'give at least 2, better some hundreds',
  );
}
