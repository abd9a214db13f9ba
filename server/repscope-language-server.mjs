#!/usr/bin/env node
import { runUnderRequiredNode } from '@repscope/core/cli/node-version.mjs';

await runUnderRequiredNode(import.meta.url, '../dist/server.mjs');
