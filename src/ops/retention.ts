/** How long images stay that nothing runs. */
export type Retention = {
  /** Every image is kept for so many days. */
  readonly days: number;
  /** The newest of each repository of the registry are kept, however old. */
  readonly perRepository: number;
  /** Images of so many newest releases of each environment and repository are kept, to go back to. */
  readonly releases: number;
};
