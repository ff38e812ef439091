// Empty databases for `scripts/test`, on a server that may hold others' databases too. Saves a need
// for psql.
//
//   node src/database.js create SERVER-URL   makes one under a name of its own and prints its URL
//   node src/database.js drop SERVER-URL URL removes one that `create` made
//
// It never touches a database that was there before: the server in TEST_DATABASE_URL may be shared.
import { randomBytes } from 'node:crypto';
import pg from 'pg';

const OURS = /^anima_scripts_test_[0-9a-f]{16}$/;

const [verb, server, made] = process.argv.slice(2);
const name =
  verb === 'drop'
    ? new URL(made).pathname.slice(1)
    : `anima_scripts_test_${randomBytes(8).toString('hex')}`;
if (!['create', 'drop'].includes(verb) || !server || !OURS.test(name)) {
  console.error('usage: database.js create SERVER-URL | drop SERVER-URL URL');
  process.exit(2);
}
const client = new pg.Client({ connectionString: server });
await client.connect();
// An identifier cannot be a parameter; the pattern above leaves nothing to quote.
await client.query(`${verb === 'create' ? 'CREATE' : 'DROP'} DATABASE ${name}`);
await client.end();
if (verb === 'create') {
  const url = new URL(server);
  url.pathname = `/${name}`;
  console.log(url.href);
}
