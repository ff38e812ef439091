// Headless Chromium that can reach the gateway and nothing else, and keeps a record of every offence.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { origin } from './gateway.js';

/** Debian's package; another build by CHROMIUM. */
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Starts a browser with an empty profile; the returned function closes it and removes the profile. */
export async function launch() {
  const profile = await mkdtemp(join(tmpdir(), 'anima-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    // Chromium's own sandbox wants a user that is not root; the pages here are our own.
    chromiumSandbox: false,
    viewport: { width: 1400, height: 900 },
    serviceWorkers: 'block',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // Below any interception: no name resolves, so nothing leaves the machine.
      '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost',
    ],
  });
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { context, close };
}

/**
 * Opens a page that may only talk to the gateway. `offences` fills with every foreign request, console
 * error, uncaught exception and violation of the content security policy.
 */
export async function openPage(context) {
  const page = await context.newPage();
  const offences = [];
  const address = new URL(origin);
  const isOurs = (target) => {
    const { protocol, host } = new URL(target);
    return protocol === 'data:' || protocol === 'blob:' || host === address.host;
  };
  await page.route('**/*', (route) => {
    const target = route.request().url();
    if (isOurs(target)) return route.continue();
    offences.push(`foreign request: ${target}`);
    return route.abort();
  });
  page.on('websocket', (socket) => {
    if (!isOurs(socket.url())) offences.push(`foreign socket: ${socket.url()}`);
  });
  page.on('console', (message) => {
    if (message.type() === 'error') offences.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => offences.push(`exception: ${error.message}`));
  await page.exposeFunction('reportViolation', (text) => offences.push(`policy: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      window.reportViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  return { page, offences };
}
