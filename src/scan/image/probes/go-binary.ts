import type { Component } from '../../component.ts';
import type { Skipped } from '../../coverage.ts';
import type { Reading } from '../../dependencies/reader.ts';
import { goComponent } from '../../dependencies/readers/go-mod.ts';
import { nothing, type Probe, type ProbeKind } from './probe.ts';

/** What Go's linker writes before and after the list of modules (cmd/go, modload.ModInfoData). */
const listStart = Buffer.from('3077af0c9274080241e1c107e6d618e6', 'hex');
const listEnd = Buffer.from('f932433186182072008242104116d8f2', 'hex');
/** Of the build info's header, which is aligned to 16 bytes and 32 long (debug/buildinfo). */
const magic = Buffer.from('\xff Go buildinf:', 'latin1');
/** Owner of the note with the build id, near the beginning of every ELF program of Go (cmd/link, "Go" notes). */
const goNote = Buffer.from('Go\0\0', 'latin1');
const alignment = 16;
const headerLength = 32;
/** Of what overlaps from piece to piece: a header with the version behind it. */
const overlap = 1024;
const largestList = 4 * 1024 * 1024;

/** ELF, PE, Mach-O of 32 and 64 bits in both byte orders, and universal ones. */
export function isExecutable(first: Buffer): boolean {
  const head = first.toString('hex', 0, 4);
  return (
    head === '7f454c46' ||
    head.startsWith('4d5a') ||
    /^(?:feedface|feedfacf|cefaedfe|cffaedfe)$/.test(head) ||
    (head === 'cafebabe' && first.length > 8 && first.readUInt32BE(4) < 32)
  );
}

/**
 * Modules in programs that Go has built, and Go's own library. From Go 1.18 on the version stands in the header; older ones only point to it, and that is told as a gap.
 * The list of modules is found by the marks around it, in either form, so that no more than a piece of the program is held.
 */
export const goBinary: ProbeKind = (path, first) => (isExecutable(first) ? new GoProbe(path, first) : undefined);

class GoProbe implements Probe {
  readonly mayBeOpaque: boolean;
  readonly #path: string;
  readonly #packed: boolean;
  #tail: Buffer = Buffer.alloc(0);
  /** Of the tail, in the file. */
  #offset = 0;
  #version: string | undefined;
  #isGo = false;
  #list: string | undefined;
  #collecting: Buffer[] | undefined;
  #collected = 0;
  #tooLarge = false;

  constructor(path: string, first: Buffer) {
    this.#path = path;
    this.mayBeOpaque = first.subarray(0, 64 * 1024).includes(goNote);
    this.#packed = first.subarray(0, 4096).includes('UPX!');
  }

  add(piece: Buffer): void {
    const bytes = this.#tail.length === 0 ? piece : Buffer.concat([this.#tail, piece]);
    if (this.#version === undefined) this.#findVersion(bytes);
    if (this.#collecting) this.#collect(piece);
    else if (this.#list === undefined && !this.#tooLarge) {
      const start = bytes.indexOf(listStart);
      if (start >= 0) {
        this.#collecting = [];
        this.#collect(bytes.subarray(start + listStart.length));
      }
    }
    const keep = Math.min(overlap, bytes.length);
    this.#offset += bytes.length - keep;
    this.#tail = Buffer.from(bytes.subarray(bytes.length - keep));
  }

  #findVersion(bytes: Buffer): void {
    for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) {
      if ((this.#offset + at) % alignment !== 0 || at + headerLength >= bytes.length) continue;
      const pointerSize = bytes[at + 14] ?? 0;
      const flags = bytes[at + 15] ?? 0;
      if ((flags & 2) !== 0) {
        const length = bytes[at + headerLength] ?? 0;
        // The rest comes with the next piece, and what is kept of this one with it.
        if (at + headerLength + 1 + length > bytes.length) continue;
        const version = bytes.toString('utf8', at + headerLength + 1, at + headerLength + 1 + length);
        if (length === 0 || length > 127 || !/^(?:go\d|devel )/.test(version) || version.includes('\0')) continue;
        this.#version = version;
        this.#isGo = true;
        return;
      }
      // The older header: two pointers.
      if ((pointerSize === 4 || pointerSize === 8) && flags <= 1) this.#isGo = true;
    }
  }

  #collect(piece: Buffer): void {
    const held = this.#collecting;
    if (!held) return;
    held.push(Buffer.from(piece.subarray(0, largestList + listEnd.length)));
    this.#collected += piece.length;
    const whole = Buffer.concat(held);
    const end = whole.indexOf(listEnd);
    if (end >= 0) {
      this.#list = whole.toString('utf8', 0, end);
      this.#collecting = undefined;
    } else if (this.#collected > largestList) {
      this.#tooLarge = true;
      this.#collecting = undefined;
    }
  }

  end(): Reading {
    const path = this.#path;
    const gap = (detail: string): Skipped => ({ path, reason: 'unknown-format', detail });
    if (this.#packed) return { ...nothing, skipped: [gap('a packed program (UPX): what it consists of is not read')] };
    if (!this.#isGo) return nothing;
    const skipped: Skipped[] = [];
    const components: Component[] = [];
    // `go1.22.3`, `go1.22rc1 X:boringcrypto`, and what others build: `go1.22.3-fips`.
    const release = /^go(\d+\.\d+(?:\.\d+)?(?:(?:rc|beta)\d+)?)/.exec(this.#version ?? '')?.[1];
    if (release !== undefined) components.push(goComponent('stdlib', `v${semantic(release)}`, { path }));
    else if (this.#version === undefined) skipped.push(gap('a program of a Go before 1.18: which Go is not read'));
    else skipped.push(gap(`a program of ${this.#version.slice(0, 60)}, which is no released Go`));
    if (this.#list !== undefined && namesModules(this.#list)) components.push(...modules(this.#list, path));
    else if (this.#tooLarge || this.#collecting) skipped.push(gap('its list of Go modules is damaged'));
    else skipped.push(gap('a program that Go has built without modules: what it consists of is not in it'));
    return { components, needs: [], skipped, installed: true };
  }
}

/** Advisories write `1.22.0-rc.1` for Go's `1.22rc1`. */
function semantic(release: string): string {
  const [, minor = '', patch = '.0', pre = ''] = /^(\d+\.\d+)(\.\d+)?((?:rc|beta)\d+)?$/.exec(release) ?? [];
  return `${minor}${patch}${pre.replace(/^(rc|beta)(\d+)$/, '-$1.$2')}`;
}

/** Programs of Go's own distribution consist of its library alone; others that name no module were built from packages without versions. */
const namesModules = (list: string) => /^(?:mod\t|path\tcmd\/)/m.test(list);

/** Lines with tabs (runtime/debug, BuildInfo.String): `mod` and `dep` with path, version and sum; `=>` replaces the one before. */
function modules(list: string, path: string): Component[] {
  const found: { module: string; version: string }[] = [];
  for (const line of list.split('\n')) {
    const [verb, module = '', version = ''] = line.split('\t');
    if (verb === '=>') found.pop();
    if (verb === 'mod' || verb === 'dep' || verb === '=>') found.push({ module, version });
  }
  // `(devel)`: built where it lies; a folder in place of a module has no version.
  return found
    .filter(({ module, version }) => module !== '' && /^v\d/.test(version))
    .map(({ module, version }) => goComponent(module, version, { path }));
}
