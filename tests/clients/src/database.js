// `node src/database.js SERVER-URL NAME`: makes an empty database of that name (dropping an older
// one) on the server of the URL and prints the new database's URL. Saves a need for psql.
import pg from 'pg';

const [server, name] = process.argv.slice(2);
if (!server || !/^[a-z_][a-z0-9_]*$/.test(name ?? '')) {
  console.error('usage: database.js SERVER-URL NAME');
  process.exit(2);
}
const client = new pg.Client({ connectionString: server });
await client.connect();
// An identifier cannot be a parameter; the pattern above leaves nothing to quote.
await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
await client.query(`CREATE DATABASE ${name}`);
await client.end();
const url = new URL(server);
url.pathname = `/${name}`;
console.log(url.href);
