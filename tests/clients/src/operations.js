// The operations the live tests send. A test under test/schema validates each against
// schema.graphql, so that a renamed field is named there instead of in a puzzling frame.

export const VIEWER = /* GraphQL */ `
  query ClientViewer {
    __typename
    viewer {
      __typename
    }
  }
`;

export const EVENT_LOGGED = /* GraphQL */ `
  subscription ClientEvents {
    eventLogged {
      id
      eventType
    }
  }
`;

export const EVENT_RECORD = /* GraphQL */ `
  mutation ClientEventRecord($input: EventRecordInput!) {
    eventRecord(input: $input) {
      event {
        id
        eventType
      }
      userErrors {
        code
        message
      }
    }
  }
`;
