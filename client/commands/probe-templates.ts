/** A file to start a probe set from. */
export interface ProbeTemplate {
  /** Name that is suggested. */
  file: string;
  content: string;
}

/** Samples enough to run; analyses want some hundreds. */
export const probeTemplates: Readonly<Record<'texts' | 'table' | 'tokens', ProbeTemplate>> = {
  texts: {
    file: 'probe.jsonl',
    content: `// One sample a line: the text, and if you like the label and the group that it belongs to.
// Replace these with some hundreds of your own. Lines that begin with // are skipped.
{"text": "The cat slept on the warm stove.", "label": "animals", "group": "a"}
{"text": "Two crows argued over a crust.", "label": "animals", "group": "b"}
{"text": "The bank raised its rates again.", "label": "money", "group": "a"}
{"text": "Who pays for the repairs?", "label": "money", "group": "b"}
`,
  },
  table: {
    file: 'probe.csv',
    content: `# One sample a row; quote texts that hold commas. Replace these with some hundreds of your own.
# Columns of other names can be used too: probe.csv#text=body&label=stars&group=author
text,label,group
The cat slept on the warm stove.,animals,a
"Two crows, a gull and a crust.",animals,b
The bank raised its rates again.,money,a
Who pays for the repairs?,money,b
`,
  },
  tokens: {
    file: 'probe-tokens.jsonl',
    content: `// One sample a line: ids of tokens, made with the model's own tokenizer, and perhaps a label.
// The ids are fed as they are: nothing is added. Lines that begin with // are skipped.
{"ids": [1, 2, 3, 4], "label": "up"}
{"ids": [2, 3, 4, 5], "label": "up"}
{"ids": [5, 4, 3, 2], "label": "down"}
{"ids": [4, 3, 2, 1], "label": "down"}
`,
  },
};
