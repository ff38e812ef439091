// The committed contract, schema.graphql, and the example queries the gateway embeds.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSchema } from 'graphql';

export const repository = join(dirname(fileURLToPath(import.meta.url)), '../../..');
export const schemaPath = process.env.ANIMA_SCHEMA ?? join(repository, 'schema.graphql');
export const schemaText = readFileSync(schemaPath, 'utf8');
export const schema = buildSchema(schemaText);

/** The example queries, `{ file, text }`, in the order the picker shows them. */
export function examples() {
  const folder = process.env.ANIMA_EXAMPLES ?? join(repository, 'bins/gateway/assets/examples');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.graphql'))
    .sort()
    .map((file) => ({ file, text: readFileSync(join(folder, file), 'utf8') }));
}
