#!/usr/bin/env node
import { runUnderRequiredNode } from './node-version.mjs';

await runUnderRequiredNode(import.meta.url, '../../dist/cli.mjs');
