// The `token` command: makes a token for somebody and shows what belongs into the file of principals.
import { type Command, Option } from 'commander';
import { newToken, type Role, roles } from '#access';
import { Output } from '../output.ts';

interface TokenOptions {
  readonly role: Role;
  readonly json?: boolean;
}

export function addTokenCommand(program: Command): void {
  program
    .command('token <name>')
    .description('make a token for somebody; the server needs the entry that is printed with it, in the file of --principals')
    .addOption(
      new Option('--role <role>', 'read: look; infer: also ask models; train: also start jobs; admin: everything')
        .choices(roles)
        .default('infer'),
    )
    .option('--json', 'print JSON')
    .action((name: string, { role, json }: TokenOptions) => {
      const { token, digest } = newToken();
      const principal = { name, role, tokens: [digest] };
      new Output(json === true).result({ token, principal }, () =>
        [
          `token (shown once, for ${name} to keep): ${token}`,
          `entry for the list "principals" of the file: ${JSON.stringify(principal)}`,
        ].join('\n'),
      );
    });
}
