// Writes, for every connection field of a schema, the fragments a Relay client would write, so that
// relay-compiler judges each connection. Pure: a schema goes in, files come out.
import { getNamedType, isInterfaceType, isNonNullType, isObjectType } from 'graphql';

/** Every field that returns a connection, on every object type, as `{ type, field }`. */
export function connectionFields(schema) {
  const found = [];
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      if (getNamedType(field.type).name.endsWith('Connection')) found.push({ type, field });
    }
  }
  return found;
}

/** What keeps a field from being a connection in both directions; empty when nothing does. */
export function connectionFaults(schema, { type, field }) {
  const faults = [];
  const expect = (holds, text) => holds || faults.push(`${type.name}.${field.name}: ${text}`);
  const argument = (name) => field.args.find((candidate) => candidate.name === name)?.type.toString();
  for (const name of ['first', 'last']) {
    expect(argument(name) === 'Int', `argument ${name} is ${argument(name)}, not Int`);
  }
  for (const name of ['after', 'before']) {
    // Any nullable scalar that serializes as a string; ours is String.
    expect(argument(name) === 'String', `argument ${name} is ${argument(name)}, not String`);
  }
  const fields = getNamedType(field.type).getFields?.() ?? {};
  expect(fields.pageInfo?.type.toString() === 'PageInfo!', 'pageInfo is not PageInfo!');
  expect(fields.nodes, 'there is no nodes');
  expect(fields.totalCount, 'there is no totalCount');
  const edge = fields.edges && getNamedType(fields.edges.type);
  expect(edge?.name.endsWith('Edge'), 'edges are not of an Edge type');
  const edgeFields = edge?.getFields?.() ?? {};
  expect(edgeFields.cursor?.type.toString() === 'String!', 'cursor is not String!');
  expect(edgeFields.node, 'an edge has no node');
  return faults;
}

/** Relay refetches what it can reach again: the root, the viewer, and anything with a global id. */
export function isRefetchable(schema, type) {
  const node = schema.getType('Node');
  return (
    type === schema.getQueryType() ||
    (type.name === 'Viewer' && Boolean(schema.getQueryType().getFields().viewer)) ||
    (isInterfaceType(node) && schema.isSubType(node, type))
  );
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** One module of a Relay client: a fragment on `type` that pages through `field` in one direction. */
export function fragmentModule(schema, { type, field }, direction) {
  const [count, cursor] = direction === 'Forward' ? ['first', 'after'] : ['last', 'before'];
  const name = `${type.name}${capital(field.name)}${direction}`;
  // What the field demands beyond paging becomes an argument of the fragment.
  const required = field.args.filter(
    (argument) => isNonNullType(argument.type) && argument.defaultValue === undefined,
  );
  const definitions = [
    'count: { type: "Int", defaultValue: 10 }',
    'cursor: { type: "String" }',
    ...required.map((argument) => `${argument.name}: { type: "${argument.type}" }`),
  ];
  const values = [
    `${count}: $count`,
    `${cursor}: $cursor`,
    ...required.map((argument) => `${argument.name}: $${argument.name}`),
  ];
  const refetchable = isRefetchable(schema, type) ? ` @refetchable(queryName: "${name}Query")` : '';
  return {
    file: `${name}.js`,
    text: `import { graphql } from 'react-relay';

export const ${name} = graphql\`
  fragment ${name}_owner on ${type.name}
  @argumentDefinitions(${definitions.join(', ')})${refetchable} {
    ${field.name}(${values.join(', ')}) @connection(key: "${name}_${field.name}") {
      edges {
        node {
          __typename
        }
      }
    }
  }
\`;
`,
  };
}
