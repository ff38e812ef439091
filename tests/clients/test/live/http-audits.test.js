// The GraphQL-over-HTTP audits of the reference implementation, one test each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverAudits } from 'graphql-http';
import { authorization, url } from '../../src/gateway.js';

const audits = serverAudits({
  url,
  fetchFn: (input, init = {}) =>
    fetch(input, { ...init, headers: { ...init.headers, authorization } }),
});

test('there are 61 audits', () => assert.equal(audits.length, 61));

for (const audit of audits) {
  test(`audit ${audit.id} ${audit.name}`, async () => {
    const result = await audit.fn();
    // A recommendation ("should", "may") that is not followed is "warn" or "notice": all 61 must be followed.
    assert.equal(result.status, 'ok', result.reason);
  });
}
