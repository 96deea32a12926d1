import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { WaybillError } from '../../kernel/error.ts';
import { readState, stateFile, stateSuffix, type EcosystemState } from './database-state.ts';
import { AdvisoryIndex } from './index-reader.ts';

export type OpenEcosystem = { readonly state: EcosystemState; readonly index: AdvisoryIndex };

/** All advisories of one folder, as they were when it was opened; updates do not change what it says. */
export type AdvisoryDatabase = Disposable & {
  readonly folder: string;
  /** By name. */
  readonly ecosystems: ReadonlyMap<string, OpenEcosystem>;
};

/** A folder that is missing or empty is a database without advisories. @throws WaybillError STORE_FAILED for one that is damaged */
export async function openDatabase(folder: string): Promise<AdvisoryDatabase> {
  using stack = new DisposableStack();
  const ecosystems = new Map<string, OpenEcosystem>();
  for (const state of await databaseStates(folder)) {
    const opened = await openEcosystem(folder, state);
    stack.use(opened.index);
    ecosystems.set(opened.state.ecosystem, opened);
  }
  const open = stack.move();
  return { folder: path.resolve(folder), ecosystems, [Symbol.dispose]: () => open.dispose() };
}

/** What is there, by name of the ecosystem. */
export async function databaseStates(folder: string): Promise<readonly EcosystemState[]> {
  const states: EcosystemState[] = [];
  for (const name of (await filesIn(folder)).filter((file) => file.endsWith(stateSuffix)).sort()) {
    const state = await readState(path.join(folder, name));
    if (state && stateFile(folder, state.ecosystem) === path.join(folder, name)) states.push(state);
  }
  return states;
}

export async function filesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** An update may have replaced the index between reading its name and opening it; then its new state says another name. */
async function openEcosystem(folder: string, first: EcosystemState): Promise<OpenEcosystem> {
  let state = first;
  for (let tries = 0; ; tries++) {
    try {
      return { state, index: new AdvisoryIndex(path.join(folder, state.file)) };
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      const next = await readState(stateFile(folder, state.ecosystem));
      if (!next || tries >= 10)
        throw new WaybillError('STORE_FAILED', `${path.join(folder, state.file)} is missing`, {
          cause: error,
          fix: 'Bring the advisories again: waybill db update.',
        });
      state = next;
    }
  }
}
