import { z } from 'zod';
import { endpoints } from '../api/endpoints.ts';

/** OpenAPI 3.1 document of the whole API, from the same table that the server serves and the client calls. */
export function openApi(url: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const [operationId, endpoint] of Object.entries(endpoints)) {
    const path = endpoint.path.replace(/:(\w+)/g, '{$1}');
    const parameters = [...fields(endpoint.params, 'path'), ...fields(endpoint.query, 'query')];
    (paths[path] ??= {})[endpoint.method.toLowerCase()] = {
      operationId,
      summary: endpoint.summary,
      ...(endpoint.access === 'public' ? { security: [] } : { description: `Needs a token of: ${endpoint.access}.` }),
      ...(parameters.length ? { parameters } : {}),
      ...(endpoint.method === 'POST'
        ? { requestBody: { content: { 'application/json': { schema: schemaOf(endpoint.body, 'input') } } } }
        : {}),
      responses: {
        200: { description: 'Done', content: { 'application/json': { schema: schemaOf(endpoint.reply, 'output') } } },
        default: { description: 'An error: code, title, detail, fix', content: { 'application/json': {} } },
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Waybill', version: '1', description: 'From a reviewed commit to a running pod.' },
    servers: [{ url }],
    security: [{ token: [] }],
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    paths,
  };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

function fields(schema: z.ZodType, where: 'path' | 'query'): object[] {
  const json = schemaOf(schema, 'input') as { properties?: Record<string, object>; required?: string[] };
  return Object.entries(json.properties ?? {}).map(([name, property]) => ({
    name,
    in: where,
    required: where === 'path' || (json.required ?? []).includes(name),
    schema: property,
  }));
}
