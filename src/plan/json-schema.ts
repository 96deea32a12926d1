import { z } from 'zod';
import { pipelineSchema } from './schema.ts';

/** JSON Schema (draft 2020-12) of the pipeline file, for editors; made from the schema that the parser uses. */
export function pipelineJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(pipelineSchema, { io: 'input', target: 'draft-2020-12', reused: 'inline' });
  return { $schema, title: 'Waybill pipeline file', ...schema };
}
