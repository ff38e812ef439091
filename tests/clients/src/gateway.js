// Where the gateway under test is, and how each client reaches it.
import WebSocket from 'ws';

/** Address of the gateway's root, without a trailing slash. */
export const origin = required('ANIMA_URL').replace(/\/$/, '');
/** Secret of an administrator's API key. */
export const token = required('ANIMA_TOKEN');
export const url = `${origin}/graphql`;
export const socketUrl = url.replace(/^http/, 'ws');
export const authorization = `Bearer ${token}`;
/** Well formed, and never issued. */
export const wrongAuthorization = `Bearer anima_zzzzzzzz_${'z'.repeat(43)}`;

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} must be set, see README.md`);
  return value;
}

/** Sends one operation and returns its `data`; any error is thrown. */
export async function request(query, variables) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** A bare socket with the right subprotocol, for what a well-behaved client never sends. */
export class RawSocket {
  static async open() {
    const socket = new RawSocket();
    await new Promise((resolve, reject) => {
      socket.ws.once('open', resolve);
      socket.ws.once('error', reject);
    });
    return socket;
  }

  /** Opened, initialised and acknowledged. */
  static async acknowledged() {
    const socket = await RawSocket.open();
    socket.send({ type: 'connection_init', payload: { authorization } });
    const ack = await socket.next();
    if (ack.type !== 'connection_ack') throw new Error(`not acknowledged: ${JSON.stringify(ack)}`);
    return socket;
  }

  constructor() {
    this.ws = new WebSocket(socketUrl, 'graphql-transport-ws');
    this.frames = [];
    this.waiting = [];
    this.closed = new Promise((resolve) => {
      this.ws.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.ws.on('message', (data) => {
      const frame = JSON.parse(data.toString());
      const waiter = this.waiting.shift();
      if (waiter) waiter(frame);
      else this.frames.push(frame);
    });
  }

  send(frame) {
    this.ws.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** The next frame; fails when the socket closes or five seconds pass without one. */
  async next() {
    if (this.frames.length > 0) return this.frames.shift();
    let timer;
    const frame = new Promise((resolve) => this.waiting.push(resolve));
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('no frame within five seconds')), 5_000);
    });
    const closed = this.closed.then(({ code, reason }) => {
      throw new Error(`closed with ${code} ${reason} instead of a frame`);
    });
    try {
      return await Promise.race([frame, late, closed]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The close code; fails when the socket is still open after `milliseconds`. */
  async closeCode(milliseconds = 5_000) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`still open after ${milliseconds} ms`)), milliseconds);
    });
    try {
      return (await Promise.race([this.closed, late])).code;
    } finally {
      clearTimeout(timer);
    }
  }

  close() {
    this.ws.close(1000);
  }
}
