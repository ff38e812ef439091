// relay-compiler over schema.graphql, with a paging fragment on every connection in both directions.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildSchema, printSchema } from 'graphql';
import {
  connectionFaults,
  connectionFields,
  fragmentModule,
  isRefetchable,
} from '../../src/relay-fragments.js';
import { schema, schemaText } from '../../src/schema.js';

const run = promisify(execFile);
const modules = join(dirname(fileURLToPath(import.meta.url)), '../../node_modules');

/** Compiles a fragment on every connection of a schema; resolves to the number of artifacts. */
async function compile(text) {
  const parsed = buildSchema(text);
  const folder = mkdtempSync(join(tmpdir(), 'anima-relay-'));
  try {
    mkdirSync(join(folder, 'src'));
    mkdirSync(join(folder, 'artifacts'));
    writeFileSync(join(folder, 'schema.graphql'), text);
    for (const connection of connectionFields(parsed)) {
      for (const direction of ['Forward', 'Backward']) {
        const { file, text: source } = fragmentModule(parsed, connection, direction);
        writeFileSync(join(folder, 'src', file), source);
      }
    }
    const config = {
      src: './src',
      schema: './schema.graphql',
      language: 'typescript',
      artifactDirectory: './artifacts',
      eagerEsModules: true,
    };
    writeFileSync(join(folder, 'relay.config.json'), JSON.stringify(config));
    const compiler = join(modules, 'relay-compiler/cli.js');
    await run(process.execPath, [compiler, 'relay.config.json'], { cwd: folder });
    return readdirSync(join(folder, 'artifacts'), { recursive: true }).filter((file) =>
      file.endsWith('.graphql.ts'),
    ).length;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('every connection has the arguments and fields of the specification', () => {
  const connections = connectionFields(schema);
  assert.ok(connections.length > 0, 'the schema has connections');
  assert.deepEqual(connections.flatMap((connection) => connectionFaults(schema, connection)), []);
});

test('relay-compiler accepts a fragment on every connection, both ways', async () => {
  const connections = connectionFields(schema);
  const refetchable = connections.filter(({ type }) => isRefetchable(schema, type));
  const artifacts = await compile(schemaText);
  // One artifact a fragment, and the query Relay writes for each that can be fetched again.
  assert.equal(artifacts, 2 * (connections.length + refetchable.length));
});

test('relay-compiler refuses a connection without pageInfo', async () => {
  const broken = printSchema(schema).replace(
    /(type \w+Connection \{[^}]*?)\bpageInfo: PageInfo!/,
    '$1 page: PageInfo!',
  );
  assert.notEqual(broken, printSchema(schema), 'a connection was broken');
  await assert.rejects(compile(broken), /pageInfo/);
});
