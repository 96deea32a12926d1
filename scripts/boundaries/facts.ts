import { parseSync } from 'oxc-parser';

/** One import of a file. `specifier` is undefined when it is computed. */
export type Import = {
  readonly specifier: string | undefined;
  readonly how: 'import' | 're-export' | 'dynamic import' | 'type import' | 'URL' | 'require';
  readonly typesOnly: boolean;
  /** Imported names; `*` for a namespace, a default or everything. */
  readonly names: readonly string[];
  readonly line: number;
};

/** A global, or a member of one, that a file names. */
export type Use = { readonly name: string; readonly line: number };

export type Facts = {
  readonly imports: readonly Import[];
  /** `process.env` and the like; `process` itself where it is passed on. */
  readonly uses: readonly Use[];
  /** First line of something that is no type, at the top level. */
  readonly valueAt: number | undefined;
};

/** What a file imports and names, read by a parser; or why it could not be read. */
export function factsOf(path: string, source: string): Facts | { readonly unparsable: string; readonly line: number } {
  const { module, program, errors } = parseSync(path, source, { sourceType: 'module' });
  const lineAt = lineCounter(source);
  const [error] = errors;
  if (error !== undefined) return { unparsable: error.message, line: lineAt(error.labels[0]?.start ?? 0) };
  const imports: Import[] = [];
  for (const { moduleRequest, entries, start, end } of module.staticImports) {
    // `import type {} from` has no entries; the text tells it from `import 'x'`.
    const typesOnly = entries.length > 0 ? entries.every((entry) => entry.isType) : /^import\s+type\b/.test(source.slice(start, end));
    const names = entries.map((entry) => (entry.importName.kind === 'Name' ? (entry.importName.name ?? '*') : '*'));
    imports.push({ specifier: moduleRequest.value, how: 'import', typesOnly, names, line: lineAt(start) });
  }
  for (const { entries, start } of module.staticExports)
    for (const { moduleRequest, importName, isType } of entries)
      if (moduleRequest !== null)
        imports.push({
          specifier: moduleRequest.value,
          how: 're-export',
          typesOnly: isType,
          names: [importName.kind === 'Name' ? (importName.name ?? '*') : '*'],
          line: lineAt(start),
        });
  const uses: Use[] = [];
  const declared = new Set<string>();
  walk(program, undefined, (node, parent) => {
    const line = lineAt(node.start);
    for (const name of declaredBy(node)) declared.add(name);
    const found = importOf(node, line);
    if (found !== undefined) imports.push(found);
    const name = useOf(node, parent);
    if (name !== undefined) uses.push({ name, line });
  });
  const value = (program.body as unknown as readonly Node[]).find((statement) => !isTypeStatement(statement));
  // A parameter that is called like a global is not the global; scopes are not followed further than that.
  return { imports, uses: uses.filter(({ name }) => !declared.has(name)), valueAt: value === undefined ? undefined : lineAt(value.start) };
}

type Node = { readonly type: string; readonly start: number; readonly end: number } & Readonly<Record<string, unknown>>;

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && 'start' in value;
}

function walk(node: unknown, parent: Node | undefined, visit: (node: Node, parent: Node | undefined) => void): void {
  if (Array.isArray(node)) for (const item of node) walk(item, parent, visit);
  if (!isNode(node)) return;
  visit(node, parent);
  for (const [key, child] of Object.entries(node)) if (typeof child === 'object' && key !== 'parent') walk(child, node, visit);
}

/** Imports that are expressions or types, which a module's record leaves out or tells little about. */
function importOf(node: Node, line: number): Import | undefined {
  const of = (how: Import['how'], from: unknown, typesOnly = false): Import => ({
    specifier: literal(from),
    how,
    typesOnly,
    names: ['*'],
    line,
  });
  if (node.type === 'ImportExpression') return of('dynamic import', node['source']);
  if (node.type === 'TSImportType') return of('type import', node['source'] ?? node['argument'], true);
  if (node.type === 'CallExpression' && (isNamed(node['callee'], 'require') || isNamed(node['callee'], 'createRequire')))
    return of('require', undefined);
  if (node.type !== 'NewExpression' || !isNamed(node['callee'], 'URL')) return undefined;
  // `new URL('./worker.ts', import.meta.url)` is how a file starts another one.
  const [target, base] = Array.isArray(node['arguments']) ? (node['arguments'] as unknown[]) : [];
  const text = literal(target);
  return text !== undefined && /^\.\.?\/.*\.[cm]?[jt]sx?$/.test(text) && isNode(base) && base.type === 'MemberExpression'
    ? of('URL', target)
    : undefined;
}

/** `process.env`, `Date.now`, `new Date()`, `Math.random`, and any other identifier that is not the name of a property. */
function useOf(node: Node, parent: Node | undefined): string | undefined {
  if (
    node.type === 'NewExpression' &&
    isNamed(node['callee'], 'Date') &&
    Array.isArray(node['arguments']) &&
    node['arguments'].length === 0
  )
    return 'new Date()';
  if (node.type === 'MemberExpression' && isNode(node['object']) && node['object'].type === 'Identifier') {
    const member = node['computed'] === true ? literal(node['property']) : isNode(node['property']) ? node['property']['name'] : undefined;
    return `${String(node['object']['name'])}.${typeof member === 'string' ? member : '[…]'}`;
  }
  if (node.type !== 'Identifier' || parent === undefined || typeof node['name'] !== 'string') return undefined;
  const isObject = parent.type === 'MemberExpression' && parent['object'] === node;
  const isName =
    (parent['computed'] !== true && (parent['property'] === node || (parent['key'] === node && parent['value'] !== node))) ||
    (parent.type.startsWith('TS') && !valueWrappers.has(parent.type));
  return isObject || isName ? undefined : node['name'];
}

/** TypeScript's nodes around a value; in the others an identifier is a type. */
const valueWrappers: ReadonlySet<string> = new Set([
  'TSAsExpression',
  'TSNonNullExpression',
  'TSSatisfiesExpression',
  'TSTypeAssertion',
  'TSInstantiationExpression',
]);

function declaredBy(node: Node): string[] {
  const bindings = node.type === 'VariableDeclarator' ? [node['id']] : Array.isArray(node['params']) ? (node['params'] as unknown[]) : [];
  return bindings.flatMap((binding) => (isNode(binding) && binding.type === 'Identifier' ? [String(binding['name'])] : []));
}

function isTypeStatement(node: Node): boolean {
  if (node.type === 'TSTypeAliasDeclaration' || node.type === 'TSInterfaceDeclaration') return true;
  if (node.type === 'ImportDeclaration') {
    const specifiers = Array.isArray(node['specifiers']) ? (node['specifiers'] as Node[]) : [];
    return node['importKind'] === 'type' || (specifiers.length > 0 && specifiers.every((each) => each['importKind'] === 'type'));
  }
  if (node.type === 'ExportAllDeclaration') return node['exportKind'] === 'type';
  if (node.type !== 'ExportNamedDeclaration') return false;
  return node['exportKind'] === 'type' || (isNode(node['declaration']) && isTypeStatement(node['declaration']));
}

function isNamed(node: unknown, name: string): boolean {
  return isNode(node) && node.type === 'Identifier' && node['name'] === name;
}

function literal(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  // `import(`./x.ts`)`: a template without holes is a literal too.
  if (node.type === 'TemplateLiteral' && Array.isArray(node['quasis']) && node['quasis'].length === 1) {
    const [quasi] = node['quasis'] as { value?: { cooked?: string } }[];
    return quasi?.value?.cooked;
  }
  if (node.type === 'TSLiteralType') return literal(node['literal']);
  return node.type === 'Literal' && typeof node['value'] === 'string' ? node['value'] : undefined;
}

function lineCounter(source: string): (offset: number) => number {
  const breaks: number[] = [];
  for (let at = source.indexOf('\n'); at !== -1; at = source.indexOf('\n', at + 1)) breaks.push(at);
  return (offset) => {
    const index = breaks.findIndex((at) => at >= offset);
    return (index === -1 ? breaks.length : index) + 1;
  };
}
