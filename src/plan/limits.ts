/** What a pipeline file may hold at most: it is written by people who need no permission, and read by the server. */
export const limits = {
  /** UTF-8 bytes of the file. */
  fileBytes: 1024 * 1024,
  /** Open brackets, lists and mappings at one place. */
  depth: 64,
  /** Tokens of the file before anything is built from them. */
  tokens: 200_000,
  /** Values after aliases were followed. */
  values: 50_000,
  aliases: 100,
  problems: 100,
  stages: 100,
  jobsPerStage: 200,
  stepsPerJob: 500,
  images: 50,
  publish: 10,
  layersPerImage: 100,
  commandsPerLayer: 50,
  platforms: 20,
  deploys: 50,
  entries: 200,
  /** Characters of one script or value. */
  text: 65_536,
  /** Characters of one path or reference. */
  path: 1024,
  timeoutMs: 24 * 60 * 60 * 1000,
} as const;
