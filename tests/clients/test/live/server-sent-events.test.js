// Server-sent events by the graphql-sse client, in its distinct-connections mode.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'graphql-sse';
import { firstRecordedOn } from '../../src/events.js';
import { authorization, url, wrongAuthorization } from '../../src/gateway.js';
import { EVENT_LOGGED, VIEWER } from '../../src/operations.js';

function client(headers = { authorization }) {
  return createClient({ url, headers, singleConnection: false, retryAttempts: 0 });
}

test('graphql-sse: a query is one result and complete', async () => {
  const sse = client();
  const results = [];
  for await (const result of sse.iterate({ query: VIEWER })) results.push(result);
  sse.dispose();
  assert.equal(results.length, 1);
  assert.equal(results[0].data.__typename, 'Query');
});

test('graphql-sse: a subscription delivers what is recorded', async () => {
  const sse = client();
  const { event, recorded } = await firstRecordedOn(
    sse.iterate({ query: EVENT_LOGGED }),
    'sse_client_check',
  );
  sse.dispose();
  assert.ok(recorded.some(({ id }) => id === event.id), `${event.id} was never recorded`);
});

test('graphql-sse: a wrong token is refused', async () => {
  const sse = client({ authorization: wrongAuthorization });
  await assert.rejects(
    async () => {
      for await (const _ of sse.iterate({ query: EVENT_LOGGED })) assert.fail('an answer came');
    },
    (error) => error.response?.status === 401,
  );
});

test('the stream is text/event-stream', async () => {
  const abort = new AbortController();
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization },
    body: JSON.stringify({ query: EVENT_LOGGED }),
    signal: abort.signal,
  });
  abort.abort();
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type'), /^text\/event-stream/);
});
