import type { Command } from 'commander';
import { connectApi } from '../../api/client.ts';
import { endpoints } from '../../api/endpoints.ts';
import { WaybillError } from '../../kernel/error.ts';
import { Secret } from '../../kernel/secret.ts';
import type { CliContext } from '../context.ts';
import { show } from '../output.ts';

/** `waybill login | logout | whoami`. */
export function loginCommands(program: Command, context: CliContext): void {
  program
    .command('login <url>')
    .description('Remember a server and a token (read from standard input)')
    .action(async (url: string) => {
      if (context.interactive) context.note('Token, then Enter and Ctrl-D:');
      const token = new Secret((await context.readStdin()).trim());
      if (token.reveal() === '')
        throw new WaybillError('INVALID_INPUT', 'there was no token on standard input', { fix: 'echo TOKEN | waybill login URL' });
      const person = await connectApi({ url, token }).call(endpoints.whoAmI);
      const file = await context.login.save(url, token);
      show(context, program, person, () => [`Logged in at ${url} as ${person.id} (${person.role}). Kept in ${file}.`]);
    });
  program
    .command('logout')
    .description('Forget server and token')
    .action(async () => context.login.forget());
  program
    .command('whoami')
    .description('Who the token belongs to')
    .action(async () => {
      const person = await (await context.client()).call(endpoints.whoAmI);
      show(context, program, person, () => [`${person.id} (${person.role})  ${person.emails.join(', ')}`]);
    });
}
