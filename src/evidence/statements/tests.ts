import { z } from 'zod';
import { hexOf } from '../../kernel/digest.ts';
import type { StageFacts } from '../facts.ts';
import { statementType, type ResourceDescriptor, type Statement } from '../statement.ts';
import { imageSubject, sourceSubject, type ImageSubject, type Names } from '../subjects.ts';

/** in-toto test result v0.1 (in-toto/attestation spec/predicates/test-result.md). */
export const testResultType = 'https://in-toto.io/attestation/test-result/v0.1';

const resource = z.object({
  name: z.string().exactOptional(),
  uri: z.string().exactOptional(),
  digest: z.record(z.string(), z.string()).exactOptional(),
});

export const testResultPredicate = z.object({
  result: z.enum(['PASSED', 'WARNED', 'FAILED']),
  configuration: z.array(resource),
  passedTests: z.array(z.string()).exactOptional(),
  warnedTests: z.array(z.string()).exactOptional(),
  failedTests: z.array(z.string()).exactOptional(),
  /** Our extension: which stage of which run this was, and which run executed it. */
  waybill: z.object({ stage: z.string(), run: z.int(), executedIn: z.int(), startedAt: z.string(), finishedAt: z.string() }),
});
export type TestResult = z.infer<typeof testResultPredicate>;

/** One stage that passed; its tests are its jobs, named `stage/job`. */
export function testsStatement(facts: StageFacts, names: Names, image?: ImageSubject): Statement<TestResult> {
  return {
    _type: statementType,
    subject: [...(image ? [imageSubject(image)] : []), sourceSubject(facts.source, names)],
    predicateType: testResultType,
    predicate: {
      result: 'PASSED',
      configuration: [pipelineFile(facts, names)],
      passedTests: facts.jobs.map((job) => `${facts.stage}/${job.name}`),
      waybill: {
        stage: facts.stage,
        run: facts.run,
        executedIn: facts.executedIn,
        startedAt: facts.startedAt,
        finishedAt: facts.finishedAt,
      },
    },
  };
}

function pipelineFile({ source, pipelineFile: file }: StageFacts, names: Names): ResourceDescriptor {
  const commit = file?.commit ?? source.commit;
  const path = file?.path ?? 'waybill.yaml';
  return {
    name: path,
    uri: `${names.repositoryUri(source.repository)}@${commit}#${path}`,
    digest: { gitCommit: commit, ...(file?.digest && { sha256: hexOf(file.digest) }) },
  };
}
