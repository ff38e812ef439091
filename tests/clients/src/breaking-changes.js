// What a change of the contract breaks for a client that is already written.
import { buildSchema, findBreakingChanges } from 'graphql';

/** The breaking changes between two schemas that the change log does not own up to. */
export function unannouncedBreakingChanges(oldText, newText, changelog) {
  const changes = findBreakingChanges(buildSchema(oldText), buildSchema(newText));
  return announcesBreaking(changelog) ? [] : changes.map(({ description }) => description);
}

/** Whether the unreleased part of a change log (Keep a Changelog) has an entry that says "Breaking". */
export function announcesBreaking(changelog) {
  const [, unreleased = ''] = changelog.split(/^## \[Unreleased\].*$/m);
  return /\bbreaking\b/i.test(unreleased.split(/^## /m)[0]);
}
