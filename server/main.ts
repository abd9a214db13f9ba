import { createConnection, ProposedFeatures } from 'vscode-languageserver/node';
import { startServer } from './server.ts';

const transports = ['--stdio', '--node-ipc', '--socket', '--pipe'];

if (process.argv.some((argument) => transports.some((flag) => argument.startsWith(flag)))) {
  startServer(createConnection(ProposedFeatures.all));
} else {
  process.stderr.write(
    'repscope: language server: no transport named; start it with --stdio, or from an editor\n',
  );
  process.exitCode = 2;
}
