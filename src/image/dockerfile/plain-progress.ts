/**
 * One line of BuildKit's `--progress plain` for people: what a step wrote comes as `#7 0.213 text`, and is shown as the step wrote it.
 * What BuildKit itself says (`#7 [2/3] RUN make`, `#7 DONE 0.2s`) stays.
 */
export function plainProgress(line: string): string {
  return /^#\d+ \d+\.\d+ (.*)$/s.exec(line)?.[1] ?? line;
}
