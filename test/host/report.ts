/** Full titles of the tests that ran inside VS Code; a failed one with its error below. */
export interface HostReport {
  passed: string[];
  failed: string[];
  skipped: string[];
}
