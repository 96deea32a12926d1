/**
 * The project in a folder below another project: `./web` and `packages/a` give `./web/packages/a`; `.` and nothing are the project itself. What leads
 * out of the tree is named as it is.
 */
export function below(project: string, folder: string): string {
  const parts = project === './' ? [] : project.slice(2).split('/');
  for (const part of folder.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else parts.push(part);
  }
  return parts.length === 0 ? './' : `./${parts.join('/')}`;
}
