import { styleText } from 'node:util';

export type ActResult = { readonly name: string; readonly ok: boolean; readonly ms: number; readonly detail?: string };

/** What the demo shows: an act a line, indented lines below it; everything to standard error, so that --json has standard output for itself. */
export class Screen {
  readonly acts: ActResult[] = [];
  readonly #colour = process.stderr.isTTY && process.env['NO_COLOR'] === undefined;
  #number = 0;

  paint(style: Parameters<typeof styleText>[0], text: string): string {
    return this.#colour ? styleText(style, text, { validateStream: false }) : text;
  }

  line(text = ''): void {
    process.stderr.write(`${text}\n`);
  }

  heading(text: string): void {
    this.line(`\n${this.paint('bold', text)}`);
  }

  detail(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.line(this.paint('dim', `       ${line}`));
  }

  /** Plays one act; a failure is shown and the story goes on only where `fatal` is false. */
  async act(name: string, title: string, play: () => Promise<string | undefined>, options: { fatal?: boolean } = {}): Promise<boolean> {
    this.#number += 1;
    const label = `${String(this.#number).padStart(2)}  ${title}`;
    const live = this.#colour;
    if (live) process.stderr.write(`  ${this.paint('cyan', '▶')} ${label} …`);
    const started = performance.now();
    try {
      const detail = await play();
      const ms = Math.round(performance.now() - started);
      this.acts.push({ name, ok: true, ms, ...(detail === undefined ? {} : { detail }) });
      this.line(`${live ? '\r\x1b[2K' : ''}  ${this.paint('green', '✔')} ${label}  ${this.paint('dim', seconds(ms))}`);
      if (detail !== undefined) this.detail(detail);
      return true;
    } catch (error) {
      const ms = Math.round(performance.now() - started);
      const detail = error instanceof Error ? error.message : String(error);
      this.acts.push({ name, ok: false, ms, detail });
      this.line(`${live ? '\r\x1b[2K' : ''}  ${this.paint('red', '✘')} ${label}  ${this.paint('dim', seconds(ms))}`);
      this.detail(detail);
      if (options.fatal ?? true) throw new StoryEnded(name, { cause: error });
      return false;
    }
  }
}

/** The story cannot go on after this act. */
export class StoryEnded extends Error {}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
