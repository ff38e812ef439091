// The schema diff: nothing that clients use goes away without a word in the change log.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { announcesBreaking, unannouncedBreakingChanges } from '../../src/breaking-changes.js';
import { repository, schemaText } from '../../src/schema.js';

function git(...args) {
  try {
    const options = { cwd: repository, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
    return execFileSync('git', args, { ...options, maxBuffer: 64 << 20 }).trimEnd();
  } catch {
    return null;
  }
}

/** What to compare with: as told, else the branch a pull request goes to, else the last release. */
function base() {
  const { ANIMA_SCHEMA_BASE, GITHUB_BASE_REF } = process.env;
  return (
    ANIMA_SCHEMA_BASE ||
    (GITHUB_BASE_REF && `origin/${GITHUB_BASE_REF}`) ||
    git('describe', '--tags', '--abbrev=0', '--match', 'v*')
  );
}

test('nothing breaks unannounced since the base', (t) => {
  const ref = base();
  const old = ref && git('show', `${ref}:schema.graphql`);
  if (!old) return t.skip(`no earlier schema to compare with (base: ${ref ?? 'no release yet'})`);
  const path = join(repository, 'CHANGELOG.md');
  const changelog = existsSync(path) ? readFileSync(path, 'utf8') : '';
  assert.deepEqual(unannouncedBreakingChanges(old, schemaText, changelog), []);
});

test('a removed field is found, an added one is not', () => {
  const before = 'type Query { kept: String gone: String }';
  const after = 'type Query { kept: String added: String }';
  assert.deepEqual(unannouncedBreakingChanges(before, after, ''), ['Query.gone was removed.']);
  assert.deepEqual(unannouncedBreakingChanges(after, `${after} extend type Query { more: Int }`, ''), []);
});

test('only an unreleased entry announces', () => {
  assert.ok(announcesBreaking('# Log\n\n## [Unreleased]\n\n### Changed\n- Breaking: gone\n'));
  assert.ok(!announcesBreaking('# Log\n\n## [Unreleased]\n\n## [0.1.0]\n- Breaking: gone\n'));
  assert.ok(!announcesBreaking('# Log\n'));
});
