// GraphiQL as the gateway serves it, in headless Chromium without a network.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, openPage } from '../../src/browser.js';
import { recordEvent } from '../../src/events.js';
import { origin, request, token } from '../../src/gateway.js';
import { EVENT_LOGGED } from '../../src/operations.js';

const PAGE = `${origin}/graphiql`;
const SCREENSHOT = process.env.ANIMA_SCREENSHOT;

let browser;
before(async () => {
  browser = await launch();
});
after(async () => browser?.close());

/** Replaces what the query editor holds, and waits until GraphiQL has read the operation's name. */
async function typeQuery(page, query) {
  const [, name] = /(?:query|subscription) (\w+)/.exec(query);
  await page.locator('.graphiql-query-editor .CodeMirror').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(query);
  await page.locator('.graphiql-tab-active').filter({ hasText: name }).waitFor();
}

async function execute(page) {
  await page.locator('.graphiql-execute-button').click();
}

/** Text of the result pane once it matches. CodeMirror keeps only visible lines in the document. */
async function resultMatching(page, pattern) {
  const pane = page.locator('.result-window .CodeMirror-code');
  await pane.filter({ hasText: pattern }).waitFor({ timeout: 15_000 });
  return pane.innerText();
}

/** GraphiQL has read the schema when the documentation explorer names the query type. */
async function openDocumentation(page) {
  await page.getByLabel('Show Documentation Explorer').click();
  await page.locator('.graphiql-doc-explorer').getByText('Query', { exact: true }).first().waitFor();
}

test('the link with a token opens GraphiQL, reads the schema, runs a query', async () => {
  const { page, offences } = await openPage(browser.context);
  const introspections = [];
  page.on('request', (sent) => {
    if (sent.postData()?.includes('IntrospectionQuery')) introspections.push(sent);
  });
  const sentAddresses = [];
  page.on('request', (sent) => sentAddresses.push(sent.url()));

  await page.goto(`${PAGE}#token=${token}`);
  await page.locator('.graphiql-container').waitFor();
  assert.equal(page.url(), PAGE, 'the fragment is gone from the address bar');
  assert.ok(sentAddresses.every((url) => !url.includes(token)), 'no request carries the token in its address');

  await openDocumentation(page);
  assert.ok(introspections.length > 0, 'the schema came by introspection');
  const headers = await introspections[0].allHeaders();
  assert.equal(headers.authorization, `Bearer ${token}`);
  assert.equal(headers.cookie, undefined);

  await typeQuery(page, 'query Typed { __typename viewer { __typename } }');
  await execute(page);
  assert.match(await resultMatching(page, /"viewer"/), /"__typename": "Query"/);
  if (SCREENSHOT) await page.screenshot({ path: SCREENSHOT });

  // The dialogs add a style element of their own, which the policy allows by its hash.
  await page.getByLabel('Open settings dialog').click();
  await page.getByRole('button', { name: 'Dark' }).click();
  await page.keyboard.press('Escape');

  await page.reload();
  await openDocumentation(page);
  assert.deepEqual(offences, []);
  await page.close();
});

test('every example can be chosen, and the queries among them answer without an error', async () => {
  const examples = await (await fetch(`${PAGE}/examples.json`)).json();
  assert.ok(examples.length > 0, 'the gateway carries examples');
  const { page, offences } = await openPage(browser.context);
  await page.goto(`${PAGE}#token=${token}`);
  await page.locator('.graphiql-container').waitFor();
  for (const { name, query, variables } of examples) {
    await page.locator('#anima-example').selectOption({ label: name });
    const lines = query.split('\n').filter((line) => line.trim() && !line.trim().startsWith('#'));
    const editor = page.locator('.graphiql-query-editor .CodeMirror-code');
    await editor.filter({ hasText: lines[0].trim() }).waitFor();
    if (/^\s*(query|\{)/m.test(lines[0])) await request(query, variables);
  }
  assert.deepEqual(offences, []);
  await page.close();
});

test('a subscription runs over the socket', async () => {
  const { page, offences } = await openPage(browser.context);
  const sockets = [];
  page.on('websocket', (socket) => sockets.push(socket));
  await page.goto(`${PAGE}#token=${token}`);
  await openDocumentation(page);
  await typeQuery(page, EVENT_LOGGED);
  await execute(page);
  let seen;
  for (let attempt = 0; attempt < 50 && !seen; attempt += 1) {
    await recordEvent('graphiql_check');
    await page.waitForTimeout(100);
    const text = await page.locator('.result-window .CodeMirror-code').innerText();
    seen = text.includes('graphiql_check');
  }
  assert.ok(seen, 'no event reached the result pane');
  assert.equal(sockets.length, 1);
  assert.ok(!sockets[0].url().includes(token), 'the token is not in the address of the socket');
  await page.locator('.graphiql-execute-button').click();
  assert.deepEqual(offences, []);
  await page.close();
});

test('a refused token is explained, and a pasted one works', async () => {
  const { page, offences } = await openPage(browser.context);
  await page.goto(`${PAGE}#token=anima_zzzzzzzz_wrong`);
  await page.locator('#anima-notice').filter({ hasText: 'refused this token' }).waitFor();
  assert.equal(page.url(), PAGE);
  await page.locator('#anima-token').fill(token);
  await page.getByRole('button', { name: 'Use it' }).click();
  await openDocumentation(page);
  assert.equal(await page.locator('#anima-notice').isVisible(), false);
  // Chromium writes each refusal to the console, sometimes late; nothing else may be there.
  assert.deepEqual(offences.filter((offence) => !offence.includes('status of 401')), []);
  await page.close();
});

test('without a token the page says how to get one', async () => {
  const { page } = await openPage(browser.context);
  await page.goto(PAGE);
  await page.locator('#anima-notice').filter({ hasText: 'anima-gateway token create' }).waitFor();
  assert.ok(await page.locator('#anima-token').isVisible());
  await page.close();
});

test('the page allows neither framing nor sniffing nor foreign code', async () => {
  const response = await fetch(PAGE);
  const policy = response.headers.get('content-security-policy') ?? '';
  const directives = Object.fromEntries(
    policy.split(';').map((part) => {
      const [name, ...values] = part.trim().split(/\s+/);
      return [name, values.join(' ')];
    }),
  );
  assert.equal(directives['default-src'], "'none'");
  assert.equal(directives['script-src'], "'self'");
  assert.equal(directives['connect-src'], "'self'");
  assert.equal(directives['frame-ancestors'], "'none'");
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
});
