import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { WaybillError } from '../../kernel/error.ts';
import type { CliContext } from '../context.ts';
import { wantsJson } from '../output.ts';
import { painter } from '../terminal.ts';

/** `waybill lint [FILE]` and `waybill schema`. */
export function lintCommands(program: Command, context: CliContext): void {
  program
    .command('lint [file]')
    .description('Check a pipeline file; all problems at once')
    .option('--bases', 'ask the server, too, whether images may be built upon the bases that it and its Dockerfiles name', false)
    .action(async (file = 'waybill.yaml', { bases }: { bases: boolean }) => {
      const text = await readFile(path.resolve(context.cwd, file), 'utf8').catch((cause: NodeJS.ErrnoException) => {
        throw new WaybillError('NOT_FOUND', `${file}: ${cause.code === 'ENOENT' ? 'there is no such file' : cause.message}`, {
          cause,
          fix: 'Give the path of a pipeline file, or go to the root of the repository.',
        });
      });
      const { parsePipeline } = await import('../../plan/parse.ts');
      const { problemsText } = await import('../../plan/problem-text.ts');
      const result = parsePipeline(text, file);
      const looked =
        bases && result.ok ? await (await import('../lint-bases.ts')).lintBases(context, result.pipeline, { file, text }) : undefined;
      const own = [...(result.ok ? [] : result.problems), ...result.warnings];
      const problems = [...own, ...(looked?.problems ?? []).map((each) => each.problem)];
      const ok = problems.every((problem) => problem.severity !== 'error');
      if (!ok) context.exitWith(1);
      if (wantsJson(program)) {
        context.out(JSON.stringify({ ok, problems, ...(looked === undefined ? {} : { bases: looked.good }) }));
        return;
      }
      if (own.length > 0) context.out(problemsText(own, text, context.colour));
      for (const each of looked?.problems ?? []) context.out(problemsText([each.problem], each.text, context.colour));
      const paint = painter(context.colour);
      const count = (severity: string) => problems.filter((problem) => problem.severity === severity).length;
      if (ok && looked !== undefined) context.out(`${paint('green', '✔')} ${looked.good} base(s), upon which images may be built now.`);
      if (ok)
        context.out(
          `${paint('green', '✔')} ${file} is a valid pipeline file${count('warning') > 0 ? `, with ${count('warning')} warning(s)` : ''}.`,
        );
      else context.out(`${paint('red', '✘')} ${file}: ${count('error')} error(s), ${count('warning')} warning(s).`);
    });
  program
    .command('schema')
    .description('Print the JSON Schema of the pipeline file, for editors')
    .action(async () => context.out(JSON.stringify((await import('../../plan/json-schema.ts')).pipelineJsonSchema(), null, 2)));
}
