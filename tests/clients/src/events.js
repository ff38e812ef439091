// Makes an event and waits for it on a stream: the same for sockets and server-sent events.
import { request } from './gateway.js';
import { EVENT_RECORD } from './operations.js';

/** Records an event of the caller's own type and returns the event. */
export async function recordEvent(eventType) {
  const { eventRecord } = await request(EVENT_RECORD, { input: { eventType } });
  if (eventRecord.userErrors.length > 0) throw new Error(JSON.stringify(eventRecord.userErrors));
  return eventRecord.event;
}

/**
 * Records events until the stream delivers one of them, and returns that one with what was recorded.
 * A subscription has no sign of being ready, so a single early event could go by unseen.
 */
export async function firstRecordedOn(stream, eventType) {
  const recorded = [];
  let done = false;
  const producer = (async () => {
    while (!done && recorded.length < 50) {
      recorded.push(await recordEvent(eventType));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    if (!done) throw new Error(`${recorded.length} events recorded, none delivered`);
  })();
  const consumer = (async () => {
    for await (const result of stream) {
      if (result.errors) throw new Error(JSON.stringify(result.errors));
      const event = result.data.eventLogged;
      // The recording itself is audited and comes by as well.
      if (event.eventType === eventType) return event;
    }
    throw new Error('the stream ended before the event came');
  })();
  try {
    return { event: await Promise.race([consumer, producer.then(() => consumer)]), recorded };
  } finally {
    done = true;
    await producer.catch(() => {});
  }
}
