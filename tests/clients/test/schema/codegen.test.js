// Types for a TypeScript client: code generation over the example queries, then the compiler.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { codegen } from '@graphql-codegen/core';
import * as typedDocumentNode from '@graphql-codegen/typed-document-node';
import * as typescript from '@graphql-codegen/typescript';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import { parse, validate } from 'graphql';
import * as operations from '../../src/operations.js';
import { examples, schema, schemaText } from '../../src/schema.js';

const run = promisify(execFile);
const modules = join(dirname(fileURLToPath(import.meta.url)), '../../node_modules');

test('the operations of the live tests are valid', () => {
  for (const [name, text] of Object.entries(operations)) {
    assert.deepEqual(validate(schema, parse(text)).map(String), [], name);
  }
});

test('every example query is valid and has a name', () => {
  assert.ok(examples().length > 0, 'there are examples');
  for (const { file, text } of examples()) {
    const document = parse(text);
    assert.deepEqual(validate(schema, document).map(String), [], file);
    for (const definition of document.definitions) assert.ok(definition.name, `${file}: unnamed`);
  }
});

/** Generates the client's types and checks them, with `use` as a program that imports them. */
async function check(use) {
  const folder = mkdtempSync(join(tmpdir(), 'anima-codegen-'));
  try {
    const generated = await codegen({
      filename: 'api.ts',
      schema: parse(schemaText),
      documents: [
        ...examples().map(({ file, text }) => ({ location: file, document: parse(text) })),
        { location: 'operations.js', document: parse(Object.values(operations).join('\n')) },
      ],
      config: { strictScalars: false, useTypeImports: true, enumsAsTypes: true },
      plugins: [{ typescript: {} }, { typescriptOperations: {} }, { typedDocumentNode: {} }],
      pluginMap: { typescript, typescriptOperations, typedDocumentNode },
    });
    writeFileSync(join(folder, 'api.ts'), generated);
    writeFileSync(join(folder, 'use.ts'), use);
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    symlinkSync(modules, join(folder, 'node_modules'));
    const compilerOptions = {
      target: 'es2022',
      lib: ['es2022'],
      module: 'nodenext',
      moduleResolution: 'nodenext',
      strict: true,
      noEmit: true,
      types: [],
    };
    const config = { compilerOptions, include: ['*.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    // The compiler writes what it finds to standard output.
    await run(process.execPath, [join(modules, 'typescript/bin/tsc'), '-p', folder]).catch(
      ({ stdout, stderr }) => {
        throw new Error(stdout + stderr);
      },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('the generated types compile, and a program uses them', async () => {
  await check(`
    import type { ClientEventsSubscription, ClientEventRecordMutationVariables } from './api.js';
    export const variables: ClientEventRecordMutationVariables = { input: { eventType: 'check' } };
    export const typeOf = (data: ClientEventsSubscription): string => data.eventLogged.eventType;
  `);
});

test('the generated types refuse a field that is not there', async () => {
  await assert.rejects(
    check(`
      import type { ClientEventsSubscription } from './api.js';
      export const wrong = (data: ClientEventsSubscription) => data.eventLogged.thereIsNoSuchField;
    `),
    /thereIsNoSuchField/,
  );
});
