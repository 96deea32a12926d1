import type { Command } from 'commander';
import { endpoints } from '../../api/endpoints.ts';
import type { TraceNode } from '../../api/trace-view.ts';
import type { CliContext } from '../context.ts';
import { show } from '../output.ts';
import { plain, type Paint } from '../terminal.ts';

/** `waybill trace SUBJECT`: from a workload, image, commit or change the whole way, both ways. */
export function traceCommands(program: Command, context: CliContext): void {
  program
    .command('trace <subject>')
    .description('Why is it there? An image, a commit, change/N, run/N or deployment/NAME, and everything that led to it and came of it')
    .option('--environment <name>', 'where to look for a workload')
    .action(async (subject: string, options: { environment?: string }) => {
      const tree = await (await context.client()).call(endpoints.trace, { query: { subject, ...options } });
      show(context, program, tree, (paint) => drawTree(paint, tree));
    });
}

export function drawTree(paint: Paint, root: TraceNode): string[] {
  const lines: string[] = [];
  const walk = (node: TraceNode, lead: string, branch: string) => {
    const detail = Object.entries(node.detail).map(([key, value]) => `${paint('dim', `${key}:`)} ${plain(value)}`);
    lines.push(
      `${paint('dim', branch)}${paint('cyan', node.kind)} ${paint('bold', plain(node.name))}${detail.length ? `  ${detail.join('  ')}` : ''}`,
    );
    node.children.forEach((child, index) => {
      const last = index === node.children.length - 1;
      walk(child, lead + (last ? '   ' : '│  '), lead + (last ? '└─ ' : '├─ '));
    });
  };
  walk(root, '', '');
  return lines;
}
