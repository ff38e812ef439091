// The graphql-transport-ws protocol: by the graphql-ws client, and by a bare socket for its errors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { firstRecordedOn } from '../../src/events.js';
import { authorization, RawSocket, socketUrl, wrongAuthorization } from '../../src/gateway.js';
import { EVENT_LOGGED, VIEWER } from '../../src/operations.js';

function client(connectionParams = { authorization }) {
  return createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0 });
}

test('graphql-ws: a query over the socket', async () => {
  const ws = client();
  const results = [];
  for await (const result of ws.iterate({ query: VIEWER })) results.push(result);
  await ws.dispose();
  assert.equal(results.length, 1);
  assert.equal(results[0].errors, undefined);
  assert.equal(results[0].data.__typename, 'Query');
});

test('graphql-ws: a subscription delivers what is recorded', async () => {
  const ws = client();
  const stream = ws.iterate({ query: EVENT_LOGGED });
  const { event, recorded } = await firstRecordedOn(stream, 'ws_client_check');
  await ws.dispose();
  assert.ok(recorded.some(({ id }) => id === event.id), `${event.id} was never recorded`);
});

test('graphql-ws: two subscriptions share a socket and end by themselves', async () => {
  const ws = client();
  const first = ws.iterate({ query: EVENT_LOGGED });
  const second = ws.iterate({ query: EVENT_LOGGED });
  await firstRecordedOn(first, 'ws_first');
  await first.return();
  const { event } = await firstRecordedOn(second, 'ws_second');
  await ws.dispose();
  assert.equal(event.eventType, 'ws_second');
});

test('graphql-ws: a wrong token closes with 4401', async () => {
  const ws = client({ authorization: wrongAuthorization });
  await assert.rejects(
    async () => {
      for await (const _ of ws.iterate({ query: VIEWER })) assert.fail('an answer came');
    },
    (error) => error.code === 4401,
  );
});

test('a message that is not JSON closes with 4400', async () => {
  const socket = await RawSocket.acknowledged();
  socket.send('this is not JSON');
  assert.equal(await socket.closeCode(), 4400);
});

test('a message of an unknown type closes with 4400', async () => {
  const socket = await RawSocket.acknowledged();
  socket.send({ type: 'start', id: '1', payload: { query: VIEWER } });
  assert.equal(await socket.closeCode(), 4400);
});

test('a subscribe message without an id closes with 4400', async () => {
  const socket = await RawSocket.acknowledged();
  socket.send({ type: 'subscribe', payload: { query: VIEWER } });
  assert.equal(await socket.closeCode(), 4400);
});

test('subscribing before the acknowledgement closes with 4401', async () => {
  const socket = await RawSocket.open();
  socket.send({ type: 'subscribe', id: '1', payload: { query: VIEWER } });
  assert.equal(await socket.closeCode(), 4401);
});

test('no connection_init within three seconds closes with 4408', async () => {
  const begun = performance.now();
  const socket = await RawSocket.open();
  assert.equal(await socket.closeCode(10_000), 4408);
  // The lower bound only: a slow machine may be late, an early close would be wrong.
  assert.ok(performance.now() - begun > 2_500, 'closed too early');
});

test('a second stream under a live id closes with 4409', async () => {
  const socket = await RawSocket.acknowledged();
  socket.send({ type: 'subscribe', id: 'same', payload: { query: EVENT_LOGGED } });
  socket.send({ type: 'subscribe', id: 'same', payload: { query: EVENT_LOGGED } });
  assert.equal(await socket.closeCode(), 4409);
});

test('a second connection_init closes with 4429', async () => {
  const socket = await RawSocket.acknowledged();
  socket.send({ type: 'connection_init', payload: { authorization } });
  assert.equal(await socket.closeCode(), 4429);
});

test('a document that does not validate is an error frame, and the socket lives on', async () => {
  const socket = await RawSocket.acknowledged();
  socket.send({ type: 'subscribe', id: 'bad', payload: { query: '{ thereIsNoSuchField }' } });
  const frame = await socket.next();
  assert.equal(frame.type, 'error');
  assert.equal(frame.id, 'bad');
  assert.ok(Array.isArray(frame.payload) && frame.payload[0].message, 'the payload is a list of errors');
  socket.send({ type: 'subscribe', id: 'good', payload: { query: VIEWER } });
  assert.equal((await socket.next()).type, 'next');
  assert.deepEqual(await socket.next(), { type: 'complete', id: 'good' });
  socket.close();
});

test('ping is answered by pong, before and after the acknowledgement', async () => {
  const socket = await RawSocket.open();
  socket.send({ type: 'ping' });
  assert.equal((await socket.next()).type, 'pong');
  socket.send({ type: 'connection_init', payload: { authorization } });
  assert.equal((await socket.next()).type, 'connection_ack');
  socket.send({ type: 'ping' });
  assert.equal((await socket.next()).type, 'pong');
  socket.close();
});

test('complete ends a stream and frees its id', async () => {
  const socket = await RawSocket.acknowledged();
  socket.send({ type: 'subscribe', id: '1', payload: { query: EVENT_LOGGED } });
  socket.send({ type: 'complete', id: '1' });
  socket.send({ type: 'subscribe', id: '1', payload: { query: VIEWER } });
  const frame = await socket.next();
  assert.equal(frame.type, 'next');
  assert.equal(frame.payload.data.__typename, 'Query');
  socket.close();
});
