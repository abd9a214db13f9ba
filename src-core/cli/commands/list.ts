import { analyses, analysisInfo } from '../../analyses/registry.ts';
import type { Command } from '../command.ts';

export const list: Command = {
  name: 'list',
  usage: '[--json]',
  summary: 'every analysis with its parameters, defaults and citation',
  options: { json: { type: 'boolean' } },
  arity: [0, 0],
  run({ flags, print }) {
    const infos = analyses.map(analysisInfo);
    if (flags['json'] === true) {
      print(JSON.stringify(infos));
      return Promise.resolve();
    }
    const blocks = infos.map((info) =>
      [
        `${info.id}  (${info.family})  ${info.summary}`,
        ...info.params.map((param) => {
          const choices = param.choices ? ` one of ${param.choices.join('|')};` : '';
          return `  --set ${param.name}=${String(param.default)}  ${choices} ${param.description}`;
        }),
        `  values: ${Object.keys(info.values).join(', ')}`,
        `  ${info.citation}`,
      ].join('\n'),
    );
    print(blocks.join('\n\n'));
    return Promise.resolve();
  },
};
